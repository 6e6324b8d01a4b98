import type { Millis } from '@sessionkit/session-core';
import { type CredentialCarriers, type RouterContext, SessionError } from '@sessionkit/session-core';

export interface ProxyOptions extends RouterContext {
  /** How long connecting to a server may take. Default 5,000 ms. */
  readonly connectTimeout?: Millis | undefined;
  /**
   * How long a server may take from the end of the request to the head of its answer, also how long a request may wait for one of `connections`.
   * Default 30,000 ms; counted in steps of about a second when above 1,000.
   */
  readonly responseTimeout?: Millis | undefined;
  /** Most connections to each server, besides those that are WebSockets. Default: no limit. */
  readonly connections?: number | undefined;
  /** Signs what is said about the session (`X-Session-Signature`). At least 16 characters. Default: nothing is signed. */
  readonly signKey?: string | undefined;
}

export const DEFAULT_CONNECT_TIMEOUT: Millis = 5_000;
export const DEFAULT_RESPONSE_TIMEOUT: Millis = 30_000;
export const MIN_SIGN_KEY = 16;

export interface Settings extends RouterContext {
  readonly carriers: CredentialCarriers;
  readonly connectTimeout: Millis;
  readonly responseTimeout: Millis;
  readonly connections: number | undefined;
  readonly signKey: string | undefined;
}

/** @throws SessionError `CONFIG_INVALID` naming every problem. */
export function settle(options: ProxyOptions): Settings {
  const problems: string[] = [];
  const { connectTimeout, responseTimeout, connections, signKey, servers } = options;
  for (const [name, value] of Object.entries({ connectTimeout, responseTimeout, connections })) {
    if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) continue;
    problems.push(`${name} must be a whole number, at least 1, not ${value}`);
  }
  if (signKey !== undefined && signKey.length < MIN_SIGN_KEY) {
    problems.push(`signKey must have at least ${MIN_SIGN_KEY} characters`);
  }
  if (servers.length === 0) problems.push('servers must name at least one server');
  for (const { name, url } of servers) {
    const problem = urlProblem(url);
    if (problem !== undefined) problems.push(`the url of server "${name}" ${problem}`);
  }
  if (problems.length > 0) {
    throw new SessionError('CONFIG_INVALID', `service "${options.service}", proxy: ${problems.join('; ')}`);
  }
  return {
    ...options,
    connectTimeout: connectTimeout ?? DEFAULT_CONNECT_TIMEOUT,
    responseTimeout: responseTimeout ?? DEFAULT_RESPONSE_TIMEOUT,
    connections,
    signKey,
  };
}

function urlProblem(text: string): string | undefined {
  if (!URL.canParse(text)) return 'must be a URL such as http://127.0.0.1:9001';
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'must begin with http:// or https://';
  if (url.username !== '' || url.password !== '') return 'must not hold a user or password';
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    return 'must end after the port: paths are passed on as they are';
  return undefined;
}
