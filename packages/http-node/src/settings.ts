import { type Environment, processEnvironment, type Trust, trustedProxies } from '@sessionkit/session-core';

export interface HttpOptions {
  /**
   * Addresses and CIDR ranges of the proxies in front of this server, such as `['10.0.0.0/8', '::1']`. From them, and from nobody else,
   * `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host` are believed. Default: none.
   */
  readonly trustProxy?: readonly string[] | undefined;
  /** Where faults are logged. Default: `processEnvironment` of session-core (notices, warnings and errors to stderr). */
  readonly environment?: Pick<Environment, 'log'> | undefined;
}

/** {@link HttpOptions}, checked and compiled. Made once per server, used by every request. */
export interface HttpSettings {
  /** Undefined when no proxy is trusted, which makes the look-up cheap. */
  readonly trust: Trust | undefined;
  readonly environment: Pick<Environment, 'log'>;
}

/**
 * Checks and compiles options.
 * @throws SessionError `CONFIG_INVALID` when `trustProxy` is not a list of addresses and CIDR ranges.
 */
export function httpSettings(options: HttpOptions = {}): HttpSettings {
  return {
    trust: trustedProxies(options.trustProxy),
    environment: options.environment ?? processEnvironment,
  };
}
