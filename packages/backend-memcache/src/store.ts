import { createHash } from 'node:crypto';
import { isSessionId, type Millis, SessionError, type SessionId } from '@sessionkit/session-core';
import { type MemcacheClient, type Place, placeOf } from './client.js';
import { gaveUp } from './faults.js';
import type { CheckedOptions } from './options.js';
import { Ring } from './ring.js';
import { Server } from './server.js';

/** How much later than core judges by a key goes by itself. */
export const KEPT_LATE: Millis = 300_000;
/** The longest time to live that memcached counts from now; more is an instant of the Unix epoch. */
const MAX_RELATIVE = 30 * 86_400;
/** The last instant that it reads. What would go later does not go by itself. */
const MAX_ABSOLUTE = 2 ** 31 - 1;
/** Keys of one command. */
const CHUNK = 500;

/** What the parts of a backend share: servers, keys and times to live. */
export class MemcacheStore {
  readonly options: CheckedOptions;
  readonly ring: Ring<Server>;
  #closed = false;

  /** @throws SessionError `CONFIG_INVALID` for a client that is none, or that leads to several servers. */
  constructor(clients: readonly MemcacheClient[], options: CheckedOptions) {
    const byName = new Map<string, [MemcacheClient, Place][]>();
    for (const client of clients) {
      const place = placeOf(client);
      const others = byName.get(place.name);
      if (others === undefined) byName.set(place.name, [[client, place]]);
      else others.push([client, place]);
    }
    if (byName.size === 0)
      throw new SessionError('CONFIG_INVALID', 'there is no client: give one for each server');
    this.options = options;
    this.ring = new Ring(
      [...byName.values()].flatMap((own) => own.slice(0, 1).map(([, place]) => new Server(place, own))),
    );
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
  }

  /** @throws SessionError `BACKEND_CLOSED`, or `BACKEND_FAILED` for a caller that has stopped waiting. */
  check(signal: AbortSignal): void {
    if (this.#closed) throw new SessionError('BACKEND_CLOSED', 'this memcached backend has been closed');
    if (signal.aborted) throw gaveUp();
  }

  get now(): Millis {
    return this.options.now();
  }

  record(id: SessionId): string {
    return this.options.prefix + id;
  }

  seen(id: SessionId): string {
    return `${this.options.prefix}${id}:seen`;
  }

  journal(id: SessionId): string {
    return `${this.options.prefix}${id}:log`;
  }

  get processes(): string {
    return `${this.options.prefix}processes`;
  }

  /** Key of what a process holds open; `part` when it is in several. */
  process(digest: string, part = ''): string {
    return `${this.options.prefix}process:${digest}${part}`;
  }

  /** All keys of a session lie on one server. */
  serverOf(id: SessionId): Server {
    return this.ring.of(id);
  }

  /** Runs `task` for the ids that each server has, in chunks, each id once; without those that no key can have. A fault of a server stands in the place of its answer. */
  eachServer<T>(
    ids: Iterable<SessionId>,
    task: (server: Server, ids: readonly SessionId[]) => Promise<T>,
  ): Promise<readonly { readonly ids: readonly SessionId[]; readonly answer: T | SessionError }[]> {
    const chunks: { readonly server: Server; readonly ids: SessionId[] }[] = [];
    const open = new Map<Server, SessionId[]>();
    for (const id of new Set(ids)) {
      if (!isSessionId(id)) continue;
      const server = this.serverOf(id);
      let chunk = open.get(server);
      if (chunk === undefined || chunk.length === CHUNK) {
        chunk = [];
        open.set(server, chunk);
        chunks.push({ server, ids: chunk });
      }
      chunk.push(id);
    }
    return Promise.all(
      chunks.map(async ({ server, ids }) => {
        try {
          return { ids, answer: await task(server, ids) };
        } catch (error) {
          if (error instanceof SessionError) return { ids, answer: error };
          throw error;
        }
      }),
    );
  }

  /** The time to live of what is of no use after this instant, as the protocol has it. */
  ttl(until: Millis, later: Millis = KEPT_LATE): number {
    const { now } = this;
    const seconds = Math.max(1, Math.ceil((until + later - now) / 1_000));
    if (seconds <= MAX_RELATIVE) return seconds;
    const at = Math.floor(now / 1_000) + seconds;
    return at <= MAX_ABSOLUTE ? at : 0;
  }
}

/** A part of the servers may be down; when all are, nothing is known. */
export function throwIfNone(answers: readonly unknown[]): void {
  const [first] = answers;
  if (first instanceof SessionError && answers.every((answer) => answer instanceof SessionError)) throw first;
}

/** A name of any letters as a part of a key. */
export function digest(text: string): string {
  // As JSON even halves of surrogate pairs are told apart.
  return createHash('sha256').update(JSON.stringify(text)).digest('base64url').slice(0, 22);
}
