import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { ID_LENGTH, isSessionId, SessionError, type SessionId } from '@sessionkit/session-core';
import { onAbort } from './aborts.js';
import type { Place } from './client.js';
import { down, faultOf, gaveUp } from './faults.js';

/** The first letters of an id say in which 17 minutes it was made: ids are put into order as far as they are asked for. */
const DRAWER = 7;
const AGAIN_AFTER = 50;

/** Ids in drawers by the time of their making; a drawer is put into order when it is first opened. */
export class Ids {
  readonly #drawers = new Map<string, SessionId[]>();
  readonly #sorted = new Set<string>();

  add(id: SessionId): void {
    const name = id.slice(0, DRAWER);
    const drawer = this.#drawers.get(name);
    if (drawer === undefined) this.#drawers.set(name, [id]);
    else drawer.push(id);
  }

  /** Ascending, behind `after`, each once. */
  *behind(after: SessionId | undefined): Generator<SessionId, undefined> {
    let last = after ?? '';
    const first = last.slice(0, DRAWER);
    for (const name of [...this.#drawers.keys()].sort()) {
      if (name < first) continue;
      const drawer = this.#drawers.get(name) ?? [];
      if (!this.#sorted.has(name)) {
        drawer.sort();
        this.#sorted.add(name);
      }
      for (const id of drawer)
        if (id > last) {
          yield id;
          last = id;
        }
    }
    return undefined;
  }
}

/** The ways of a dump, the best first: by the hash table, which nothing moves in; by the lists of what was used last, in which a key that is used may be passed over. */
const WAYS = ['hash', 'all'] as const;
type Said = 'done' | 'busy' | { readonly refused: string };

/**
 * All session ids of a server, by its own dump of keys (https://github.com/memcached/memcached/blob/master/doc/protocol.txt, "LRU Crawler"), on a connection of its own. It has one
 * dump at a time, and says BUSY to the next.
 *
 * @throws SessionError `BACKEND_DOWN`; `UNSUPPORTED` where the server is set up to give none.
 */
export async function dump(place: Place, prefix: string, ids: Ids, signal: AbortSignal): Promise<void> {
  const ways: string[] = [...WAYS];
  for (;;) {
    const said = await dumped(place, ways[0] ?? '', prefix, ids, signal);
    if (said === 'done') return;
    if (said === 'busy') await again(signal);
    else {
      ways.shift();
      // An old server knows only the second way.
      if (ways.length === 0) throw refused(said.refused, place.name);
    }
  }
}

function dumped(place: Place, way: string, prefix: string, ids: Ids, signal: AbortSignal): Promise<Said> {
  const { host, port, name, tls } = place;
  if (signal.aborted) return Promise.reject(gaveUp());
  const socket: Socket =
    tls === undefined ? connect(port, host) : connectTls({ host, port, servername: host, ...tls });
  const ours = `key=${encoded(prefix)}`;
  let rest = '';
  let stay = () => {};
  return new Promise<Said>((resolve, reject) => {
    stay = onAbort(signal, () => reject(gaveUp()));
    socket.on('error', (error) => reject(faultOf(error, name)));
    socket.on('close', () =>
      reject(down(`memcached at ${name} is not reachable: a dump of its keys was cut`)),
    );
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith(ours)) {
          const id = line.slice(ours.length, ours.length + ID_LENGTH);
          if (line.charAt(ours.length + ID_LENGTH) === ' ' && isSessionId(id)) ids.add(id);
        } else if (line.startsWith('END')) resolve('done');
        else if (line.startsWith('BUSY')) resolve('busy');
        else if (!line.startsWith('key=')) resolve({ refused: line.trimEnd() });
      }
    });
    socket.write(`lru_crawler metadump ${way}\r\n`);
  }).finally(() => {
    stay();
    socket.destroy();
  });
}

function refused(said: string, name: string): SessionError {
  return new SessionError(
    'UNSUPPORTED',
    `memcached at ${name} gives no list of its keys (${said}): start it with lru_crawler and without -X, and ask it without a proxy between`,
  );
}

/** Whoever waits for another dump does not meet it again at once. */
function again(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => {
        stay();
        resolve();
      },
      AGAIN_AFTER * (0.5 + Math.random()),
    );
    const stay = onAbort(signal, () => {
      clearTimeout(timer);
      reject(gaveUp());
    });
  });
}

/** As memcached writes keys into a dump: everything but letters, digits and `-._~` as `%` and two digits. */
function encoded(prefix: string): string {
  return prefix.replace(
    /[^A-Za-z0-9\-._~]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}
