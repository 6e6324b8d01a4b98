import type { Transport, VisitRequest } from '@sessionkit/session-core';

const NOTHING: readonly string[] = [];

/** The same request as if it came from a client that has no session. */
export function withoutTokens(view: VisitRequest, transports: readonly Transport[]): VisitRequest {
  const hidden = new Set(['cookie']);
  for (const { carrier } of transports)
    if (carrier.requestHeader !== undefined) hidden.add(carrier.requestHeader);
  return {
    method: view.method,
    path: view.path,
    secure: view.secure,
    host: view.host,
    upgrade: view.upgrade,
    untrustedProxy: view.untrustedProxy,
    client: () => view.client(),
    header: (name) => (hidden.has(name) ? undefined : view.header(name)),
    query: () => NOTHING,
  };
}
