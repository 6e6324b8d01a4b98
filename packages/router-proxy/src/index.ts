import type { Router } from '@sessionkit/session-core';
import { type ProxyOptions, settle } from './options.js';
import { ProxyRouter } from './proxy.js';

export type { ProxyOptions } from './options.js';
export { type VerifyOptions, verifySignature } from './signature.js';

/**
 * Passes requests on to upstream servers, which see the session in `X-Session-*` headers and, where they may, change it by such headers of their answers.
 *
 * @throws SessionError `CONFIG_INVALID` naming every problem of the options.
 */
export function proxyRouter(options: ProxyOptions): Router {
  return new ProxyRouter(settle(options));
}
