/**
 * The closed lists: every word that errors, metrics, events and documents share stands here and nowhere else.
 */

/** Why a session is over. */
export const END_CAUSES = [
  'logout',
  'replaced',
  'killed',
  'idle',
  'duration',
  'limit',
  'fence',
  'service_removed',
] as const;
export type EndCause = (typeof END_CAUSES)[number];

/** What a client is told, as `code` of a problem document (RFC 9457), with the HTTP status that goes with it. */
export const CLIENT_CODES = {
  session_required: 401,
  session_invalid: 401,
  session_superseded: 401,
  session_expired: 401,
  session_ended: 401,
  session_read_only: 409,
  cross_site: 403,
  conflict: 409,
  too_many: 429,
  data_too_large: 413,
  store_unavailable: 503,
  store_full: 503,
  bad_request: 400,
} as const;
export type ClientCode = keyof typeof CLIENT_CODES;

/** What went wrong inside, as `code` of a {@link SessionError}, with the client code that it becomes on the wire. */
export const FAULT_CODES = {
  CONFIG_INVALID: undefined,
  MODULE_MISSING: undefined,
  UNSUPPORTED: undefined,
  BACKEND_DOWN: 'store_unavailable',
  BACKEND_FAILED: 'store_unavailable',
  BACKEND_FULL: 'store_full',
  BACKEND_CLOSED: 'store_unavailable',
  RECORD_CORRUPT: 'store_unavailable',
  RECORD_TOO_LARGE: 'data_too_large',
  CONFLICT: 'conflict',
  INVALID_VALUE: undefined,
  HEADERS_SENT: undefined,
  SESSION_READ_ONLY: 'session_read_only',
} as const satisfies Record<string, ClientCode | undefined>;
export type FaultCode = keyof typeof FAULT_CODES;

/** Log levels of one session that an operator may switch (MaxScale's names). */
export const LOG_PARAMETERS = ['log_debug', 'log_info', 'log_notice', 'log_warning', 'log_error'] as const;
export type LogParameter = (typeof LOG_PARAMETERS)[number];

/** Kinds of modules that a configuration can name. */
export const MODULE_KINDS = ['transport', 'backend', 'router', 'filter', 'resource'] as const;
export type ModuleKind = (typeof MODULE_KINDS)[number];

/** What a browser may be told to drop of a site (W3C Clear Site Data). `cookies` and `*` reach every cookie of the registrable domain, other applications' too. */
export const SITE_DATA = ['cache', 'cookies', 'storage', 'executionContexts', 'clientHints', '*'] as const;
export type SiteData = (typeof SITE_DATA)[number];
