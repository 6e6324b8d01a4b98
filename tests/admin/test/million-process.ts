import { randomBytes } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createAdminApi, serveAdmin } from '@sessionkit/admin-api';
import { memory } from '@sessionkit/backend-memory';
import { redis } from '@sessionkit/backend-redis';
import {
  type Backend,
  createSessionManager,
  type SessionId,
  type SessionRecord,
} from '@sessionkit/session-core';
import { makeRecord } from '@sessionkit/testkit';
import { token } from '@sessionkit/transport-token';
import { Redis } from 'ioredis';

/** What the test asks of this process. */
export type Order = 'idle' | 'peak' | 'calls';

export interface Filled {
  readonly port: number;
  /** Ids of the first, the middle and the last session. */
  readonly marks: readonly [SessionId, SessionId, SessionId];
}

const AT_A_TIME = 100;
const MB = 2 ** 20;

const [url = '', text = ''] = process.argv.slice(2);
const count = Number(text);
const { signal } = new AbortController();
const environment = {
  now: Date.now,
  random: (bytes: number) => randomBytes(bytes),
  every: () => () => {},
  log() {},
};

async function open(): Promise<Backend> {
  if (url === 'memory') return memory({ maxSessions: 2 * count, maxBytes: 4_096 * MB });
  const client = new Redis(url, {
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    lazyConnect: true,
  });
  await client.connect();
  return redis(client);
}

/** A busy machine may be too late for the store; a save that is repeated is known by its write id. */
async function save(record: SessionRecord, tries = 5): Promise<boolean> {
  try {
    return await backend.save(record, signal);
  } catch (error) {
    if (tries === 0) throw error;
    return save(record, tries - 1);
  }
}

/** Sessions of users who have ten each, in the order of their ids. */
async function fill(): Promise<Filled['marks']> {
  const ids: SessionId[] = [];
  const start = Date.now() - count;
  for (let from = 0; from < count; from += AT_A_TIME) {
    const records = Array.from({ length: Math.min(AT_A_TIME, count - from) }, (_, i) => {
      const n = from + i;
      const client = {
        ip: '192.0.2.7',
        port: 1_024 + (n % 50_000),
        cipher: '',
        userAgent: 'Mozilla/5.0',
        attributes: {},
      };
      return makeRecord(environment, {
        startedAt: start + n,
        user: `user-${Math.floor(n / 10)}`,
        client,
        data: `{\n"cart":["a book","a lamp"],\n"n":${n}\n}`,
        endsAt: start + 86_400_000,
        idle: 86_400_000,
      });
    });
    const saved = await Promise.all(records.map((record) => save(record)));
    if (saved.includes(false)) throw new Error('a session was not stored');
    for (const [i, { id }] of records.entries())
      if ([0, Math.floor(count / 2), count - 1].includes(from + i)) ids.push(id);
  }
  const [first, middle = first, last = middle] = ids;
  if (first === undefined || middle === undefined || last === undefined)
    throw new Error('nothing was stored');
  return [first, middle, last];
}

const backend = await open();
const marks = await fill();
const manager = createSessionManager({ deadline: 30_000 });
manager.service('shop', { backend, transports: [token()] });
let calls = 0;
const { list } = manager;
manager.list = (query) => {
  calls++;
  return list.call(manager, query);
};
const api = createAdminApi({ manager, authenticate: () => ({ name: 'bench', account: 'admin' }) });
const server = await serveAdmin({ api, port: 0 });

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
let peak = 0;
setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 5);

process.on('message', (order: Order) => {
  if (order === 'idle') {
    collect();
    peak = process.memoryUsage.rss();
  }
  process.send?.(order === 'calls' ? calls : Math.max(peak, process.memoryUsage.rss()));
});
process.send?.({ port: server.port, marks } satisfies Filled);
