/** What the runner puts around a block that does not stand alone. */
export interface Around {
  /** Of a program: what stands before it, behind its imports. Of a console or of JSON: what was done before, written as a console. */
  readonly before?: string | undefined;
  /** Of a program: what stands behind it, and asks what the block is for. */
  readonly after?: string | undefined;
  /** Of JSON: the command that prints such a document. */
  readonly printedBy?: string | undefined;
}

/** By document, and by a text that the block has. */
export type Surroundings = Readonly<Record<string, Readonly<Record<string, Around>>>>;

const OURS = `
import { memory } from '@sessionkit/backend-memory';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
`;

/** A service of ours for a fragment to use. */
export const SERVICE = `${OURS}const manager = createSessionManager();
const service = manager.service('shop', { backend: memory(), transports: [cookie()], autoCreate: 'on_write' });
`;
