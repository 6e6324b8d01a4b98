import type { Token } from './id.js';
import { deadFrom, type SessionRecord } from './record.js';
import type { VisitRequest } from './service.js';
import type { HeaderField, Transport } from './transport.js';
import type { ServiceParts } from './visit.js';

/** Fields that hand `token` out, or renew what the client holds. */
export function issueFields(
  { settings, store }: ServiceParts,
  request: VisitRequest,
  transport: Transport,
  token: Token,
  record: SessionRecord,
): readonly HeaderField[] {
  const now = store?.now() ?? record.seenAt;
  const left = Math.max(1, Math.floor((deadFrom({ ...record, seenAt: now }) - now) / 1000));
  return uncached(settings.vary, transport.issue(token, left, request));
}

/** Fields that take the dead token back; none when the client itself keeps it. */
export function clearFields(
  { settings }: ServiceParts,
  request: VisitRequest,
  transport: Transport,
): readonly HeaderField[] {
  const fields = transport.clear(request);
  return fields.length === 0 ? fields : uncached(settings.vary, fields);
}

/** No cache may keep an answer that carries a token. */
function uncached(vary: string | undefined, fields: readonly HeaderField[]): readonly HeaderField[] {
  const all: HeaderField[] = [...fields, ['cache-control', 'no-store']];
  if (vary !== undefined) all.push(['vary', vary]);
  return all;
}
