import type { IncomingMessage } from 'node:http';
import type { SessionCookie } from './cookie.js';

/** Called when a verb is done, with what went wrong. */
export type Done = (error?: unknown) => void;

/** What a session does through the visit of its request. */
export interface Verbs {
  readonly id: string | undefined;
  save(): Promise<void>;
  regenerate(): Promise<void>;
  reload(): Promise<void>;
  destroy(): Promise<void>;
  touch(): void;
}

/**
 * `req.session` as express-session has it: an object whose own members are the data. What differs from what it was is stored, key by key, before the answer goes out.
 *
 * Every verb takes a callback and then answers the session, as in express-session; without one it answers a promise.
 */
export class ExpressSession {
  [key: string]: unknown;
  declare cookie: SessionCookie;
  declare readonly req: IncomingMessage;
  readonly #verbs: Verbs;

  constructor(verbs: Verbs, request: IncomingMessage, cookie: SessionCookie, data: Record<string, unknown>) {
    this.#verbs = verbs;
    Object.defineProperty(this, 'req', { value: request });
    this.cookie = cookie;
    for (const key of Object.keys(data)) if (isData(key)) this[key] = data[key];
  }

  /** The public name of the session, never a credential; undefined as long as nothing is to be stored. */
  get id(): string | undefined {
    return this.#verbs.id;
  }

  /** Stores the session now. An answer does it by itself. @throws SessionError `CONFLICT`, `BACKEND_*`, `INVALID_VALUE`, `HEADERS_SENT`. */
  save(): Promise<void>;
  save(done: Done | undefined): this;
  save(done?: Done): this | Promise<void> {
    return this.#told(this.#verbs.save(), done);
  }

  /** Puts a session without data in the place of this one, as `req.session`. This one ends, or gets a new secret, when the new one is stored. */
  regenerate(): Promise<void>;
  regenerate(done: Done | undefined): this;
  regenerate(done?: Done): this | Promise<void> {
    return this.#told(this.#verbs.regenerate(), done);
  }

  /** Reads the session anew, as another `req.session`, and drops what was changed. Fails when there is none any more. */
  reload(): Promise<void>;
  reload(done: Done | undefined): this;
  reload(done?: Done): this | Promise<void> {
    return this.#told(this.#verbs.reload(), done);
  }

  /** Ends the session and takes its cookie back. `req.session` is gone at once. */
  destroy(): Promise<void>;
  destroy(done: Done | undefined): this;
  destroy(done?: Done): this | Promise<void> {
    return this.#told(this.#verbs.destroy(), done);
  }

  /** Every request uses its session: nothing is left to do but for one that waits long. */
  touch(done?: Done): this {
    this.#verbs.touch();
    if (done !== undefined) process.nextTick(done);
    return this;
  }

  resetMaxAge(): this {
    return this.touch();
  }

  #told(work: Promise<void>, done: Done | undefined): this | Promise<void> {
    if (done === undefined) {
      // Whoever does not wait for it is told by the answer, which tries again.
      work.catch(() => undefined);
      return work;
    }
    // Not within the promise: what a callback throws is the application's.
    work.then(
      () => process.nextTick(done),
      (error: unknown) => process.nextTick(done, error),
    );
    return this;
  }
}

/** Whether a key can be a member: express-session keeps those of its own methods to itself, too. */
export function isData(key: string): boolean {
  return key !== 'cookie' && key !== 'req' && !(key in ExpressSession.prototype);
}

/** The data of a session, without its cookie. */
export function dataOf(session: ExpressSession): Record<string, unknown> {
  const { cookie: _, ...data } = session;
  return data;
}
