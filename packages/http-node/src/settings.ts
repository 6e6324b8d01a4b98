import { type Environment, processEnvironment, SessionError } from '@sessionkit/session-core';
import proxyAddr from 'proxy-addr';

export interface HttpOptions {
  /**
   * Addresses and CIDR ranges of the proxies in front of this server, such as `['10.0.0.0/8', '::1']`. From them, and from nobody else,
   * `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host` are believed. Default: none.
   */
  readonly trustProxy?: readonly string[] | undefined;
  /** Where faults are logged. Default: `processEnvironment` of session-core (warnings and errors to stderr). */
  readonly environment?: Pick<Environment, 'log'> | undefined;
}

/** Whether an address may speak for the addresses behind it. */
export type Trust = (address: string, hop: number) => boolean;

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
    trust: compileTrust(options.trustProxy),
    environment: options.environment ?? processEnvironment,
  };
}

function compileTrust(ranges: unknown): Trust | undefined {
  if (ranges === undefined) return undefined;
  if (!Array.isArray(ranges) || !ranges.every((range) => typeof range === 'string')) {
    throw new SessionError(
      'CONFIG_INVALID',
      `trustProxy must list the addresses of your proxies, such as ['10.0.0.0/8']; ${JSON.stringify(ranges)} would let any client claim any address`,
    );
  }
  if (ranges.length === 0) return undefined;
  try {
    return proxyAddr.compile([...ranges]);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SessionError(
      'CONFIG_INVALID',
      `trustProxy: ${reason}; give IP addresses and CIDR ranges, such as '10.0.0.0/8'`,
      { cause },
    );
  }
}
