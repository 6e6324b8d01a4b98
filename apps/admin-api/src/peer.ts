import type { IncomingMessage } from 'node:http';
import type { Operator } from './auth.js';

/** Where a request comes from, as its server knows. */
export interface Peer {
  readonly remoteAddress?: string | undefined;
  /** Whether the connection has TLS. Default: as the URL of the request says. */
  readonly encrypted?: boolean | undefined;
  /** Names and addresses of the listener that it came to. */
  readonly hosts?: readonly string[] | undefined;
  /** Cuts the connection; called when an answer under way cannot be finished. Without it the body of the answer is errored. */
  readonly cut?: (() => void) | undefined;
  /** What `authenticate` may look at: the request as node's server gave it to the application. */
  readonly incoming?: IncomingMessage | undefined;
  /** What `authenticate` may look at: who it is, when the application has found out before. Nothing else believes it. */
  readonly user?: Operator | undefined;
}
