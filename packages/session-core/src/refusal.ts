import { Lack } from './access.js';
import { isPreflight } from './cross-site.js';
import { SessionError } from './errors.js';
import { events } from './events.js';
import { CLIENT_CODES, type ClientCode } from './lists.js';
import type { Refusal, VisitRequest } from './service.js';
import type { Settings } from './settings.js';
import type { HeaderField, Transport } from './transport.js';

const DETAILS: Readonly<Record<ClientCode, string>> = {
  session_required: 'This needs a session, and the request carries none.',
  session_invalid: 'The token of the request opens no session.',
  session_superseded: 'The token was replaced by a login a moment ago.',
  session_expired: 'The session has expired.',
  session_ended: 'The session has ended.',
  session_read_only: 'The token was rotated; it may still read, but not change the session.',
  cross_site: 'Another site may not send this request.',
  conflict: 'The session was changed by another request meanwhile.',
  too_many: 'Too many; try again later.',
  data_too_large: 'The data of the session would be too large.',
  store_unavailable: 'The session store does not answer; nobody is logged out by that.',
  store_full: 'The session store is full.',
  bad_request: 'The request carries contradicting tokens.',
};

export interface RefusalParts {
  /** The transport that presented a token. */
  readonly presented?: Transport | undefined;
  /** The token is dead: it is taken from the client. */
  readonly clear?: boolean;
  readonly retryAfter?: number | undefined;
  readonly detail?: string | undefined;
}

export function refusal(
  settings: Settings,
  request: VisitRequest,
  code: ClientCode,
  parts: RefusalParts = {},
): Refusal {
  if (events.refused.hasSubscribers) events.refused.publish({ service: settings.name, code });
  const headers: HeaderField[] = [['cache-control', 'no-store']];
  for (const transport of settings.transports) {
    // Contradicting tokens were presented by whichever transports the service has.
    headers.push(...transport.challenge(code, code === 'bad_request' || transport === parts.presented));
  }
  if (parts.clear === true && parts.presented !== undefined) headers.push(...parts.presented.clear(request));
  if (settings.vary !== undefined) headers.push(['vary', settings.vary]);
  if (parts.retryAfter !== undefined) headers.push(['retry-after', String(parts.retryAfter)]);
  return { status: CLIENT_CODES[code], code, detail: parts.detail ?? DETAILS[code], headers };
}

/** A missing required session: browsers that ask for a page are sent to the login, everybody else gets 401. */
export function missing(settings: Settings, request: VisitRequest, loginUrl: string | undefined): Refusal {
  const refused = refusal(settings, request, 'session_required');
  if (loginUrl === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) return refused;
  if (!(request.header('accept') ?? '').includes('text/html')) return refused;
  return { ...refused, status: 302, headers: [...refused.headers, ['location', loginUrl]] };
}

/** What a client is told of a fault; undefined for a programming error. */
export function refusalOf(settings: Settings, request: VisitRequest, fault: unknown): Refusal | undefined {
  if (fault instanceof Lack) return lacking(settings, request, fault);
  if (!(fault instanceof SessionError) || fault.clientCode === undefined) return undefined;
  const status = CLIENT_CODES[fault.clientCode];
  return refusal(settings, request, fault.clientCode, status === 503 ? { retryAfter: 1 } : {});
}

/** What a route asked for and the session lacks; a preflight lacks nothing. A newer login is asked for as RFC 9470 says, where tokens travel as bearer tokens. */
function lacking(settings: Settings, request: VisitRequest, { detail, maxAge }: Lack): Refusal | undefined {
  if (isPreflight(request)) return undefined;
  const refused = missing(settings, request, settings.rules.demand(request.path).loginUrl);
  if (maxAge === undefined) return { ...refused, detail };
  const stepUp = `error="insufficient_user_authentication", error_description="A newer login is needed", max_age="${maxAge}"`;
  const headers = refused.headers.map(([name, value]): HeaderField => {
    if (name !== 'www-authenticate' || !/^Bearer\b/.test(value)) return [name, value];
    return [name, value === 'Bearer' ? `Bearer ${stepUp}` : `${value}, ${stepUp}`];
  });
  return { ...refused, headers, detail, maxAge };
}

/** `hushed`: why the token opens nothing now; undefined: the request may not create a session. */
export function nothingToChange(hushed: ClientCode | undefined): SessionError {
  const why =
    hushed === undefined
      ? 'there is no session, and this request creates none: autoCreate is off, the rule of the path says none, or it is a HEAD, OPTIONS or upgrade request'
      : 'the token does not open the session now; nothing can be set with it';
  return new SessionError('SESSION_READ_ONLY', why, { clientCode: hushed ?? 'session_required' });
}

/** The token was rotated, and is in its last 30 s. */
export function readOnly(): SessionError {
  return new SessionError(
    'SESSION_READ_ONLY',
    'the token of this visit was rotated; it may only read by now',
  );
}

export function headGone(what: string): SessionError {
  return new SessionError(
    'HEADERS_SENT',
    `${what} needs a header of an answer whose head has gone out already`,
  );
}

export function tooManyCreated(): SessionError {
  return new SessionError('CONFLICT', 'too many sessions were created from this client address', {
    retryable: true,
    clientCode: 'too_many',
  });
}

/** Lets pass what a request may fail with. */
export function unlessFault(error: unknown): void {
  if (!(error instanceof SessionError)) throw error;
}
