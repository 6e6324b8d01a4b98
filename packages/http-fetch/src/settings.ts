import { type Environment, processEnvironment, type Trust, trustedProxies } from '@sessionkit/session-core';

/** Where a request came from, as the server knows it; a text is the address alone. */
export type Peer =
  | string
  | { readonly address?: string | undefined; readonly port?: number | undefined }
  | null
  | undefined;

export interface FetchOptions<Given extends readonly unknown[] = readonly []> {
  /** Asks the server where a request came from: a `Request` does not tell. Default: not known. */
  readonly address?: ((...given: Given) => Peer) | undefined;
  /**
   * Addresses and CIDR ranges of the proxies in front of this server, such as `['10.0.0.0/8', '::1']`. From them, and from nobody else,
   * `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host` are believed; needs `address`. Default: none.
   */
  readonly trustProxy?: readonly string[] | undefined;
  /** Where faults are logged. Default: `processEnvironment` of session-core (notices, warnings and errors to stderr). */
  readonly environment?: Pick<Environment, 'log'> | undefined;
}

/** {@link FetchOptions}, checked and compiled. Made once per server, used by every request. */
export interface FetchSettings {
  readonly trust: Trust | undefined;
  readonly environment: Pick<Environment, 'log'>;
}

/**
 * Checks and compiles options.
 * @throws SessionError `CONFIG_INVALID` when `trustProxy` is not a list of addresses and CIDR ranges.
 */
export function fetchSettings(options: Pick<FetchOptions, 'trustProxy' | 'environment'> = {}): FetchSettings {
  return {
    trust: trustedProxies(options.trustProxy),
    environment: options.environment ?? processEnvironment,
  };
}
