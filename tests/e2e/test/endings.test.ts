import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { couchbaseName } from '@sessionkit/test-stores/couchbase';
import { LONG, print } from '@sessionkit/test-stores/run';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cookieOf, idOf, send } from './client.js';
import { type Fleet, startFleet } from './fleet.js';
import { type Hold, holdEvents, holdSocket, startLiveUpstream, told } from './holds.js';
import { SHARED_STORES, type SharedStore, sharedCouchbase, sharedMemcached } from './shared-store.js';

/** Endings of each kind of store. */
const COUNT = LONG ? 200 : 40;
/** Latest p99 in ms that clients may see where the store gives notice, latest of all where it does not. */
const NOTICED = 100;
const UNNOTICED = 6_000;
/** A machine that has more to do is no reason to fail but in the long run. */
const LENIENCE = LONG ? 1 : 10;
/**
 * Between two endings, in ms: each is measured by itself, where clients, upstream, store and three processes share two cores. Without notices
 * they are spread over the interval at which processes ask.
 */
const PACE = 50;
const SPREAD = UNNOTICED / COUNT;
/** Latest end after the instant that an operator has set, in ms. */
const DUE_WITHIN = 1_000;

const SESSION = 'auto_create: true, limits: false, transport: { type: cookie }';
const PLACES = 'max_per_user: { max: 1, full: oldest }';

/** A session that is held in both gateways: by a WebSocket in the one, by a stream of events in the other. */
interface Held {
  readonly user: string;
  readonly cookie: string;
  readonly id: string;
  readonly socket: Hold;
  readonly events: Hold;
}

/** How one went, in ms since the wish. */
interface Course {
  readonly cause: string;
  readonly answered: number;
  /** When the last of the two clients knew. */
  readonly seen: number;
}

interface Ending {
  readonly cause: string;
  end(held: Held): Promise<unknown>;
}

/** The slowest tells where the time went: into the answer, or between it and the clients. */
const slowest = (courses: readonly Course[]) => {
  const worst = courses.reduce((a, b) => (b.seen > a.seen ? b : a));
  return `slowest: ${worst.cause}, answered after ${ms(worst.answered)}, seen after ${ms(worst.seen)}`;
};
const percentile = (values: readonly number[], share: number) =>
  [...values].sort((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN;
const ms = (value: number) => `${Math.round(value)} ms`;

let upstream: Awaited<ReturnType<typeof startLiveUpstream>>;
beforeAll(async () => {
  upstream = await startLiveUpstream();
});
afterAll(() => upstream.stop());

describe.each(Object.entries(SHARED_STORES))('200 endings in two gateways on %s', (name, startStore) => {
  let store: SharedStore;
  beforeAll(async () => {
    store = await startStore();
  });
  afterAll(() => store.stop());

  it(`reach the clients within ${NOTICED} ms by notice, with their cause, and close nothing else`, async () => {
    const { courses, late } = await endings(store, PACE);
    const latencies = courses.map(({ seen }) => seen);
    const [half, most] = [percentile(latencies, 0.5), percentile(latencies, 0.99)];
    print(
      `endings ${name}: ${latencies.length} of ${COUNT}, p50 ${ms(half)}, p99 ${ms(most)} (at most ${NOTICED}); ${slowest(courses)}`,
    );
    print(
      `endings ${name}: ${late.length} set by ttl, at most ${ms(Math.max(...late))} late (at most ${DUE_WITHIN})`,
    );
    expect(latencies).toHaveLength(COUNT);
    expect(most).toBeLessThanOrEqual(NOTICED * LENIENCE);
    expect(Math.max(...late)).toBeLessThanOrEqual(DUE_WITHIN * LENIENCE);
    // The processes estimate the clock of the store, each for itself.
    expect(Math.min(...late)).toBeGreaterThan(-100);
  });
});

/** Redis whose notices are hidden. */
async function deafRedis() {
  const store = await (SHARED_STORES.redis as () => Promise<SharedStore>)();
  const deaf = join(import.meta.dirname, 'modules', 'deaf-redis.mjs');
  return { ...store, backend: `{ type: "${deaf}", resource: store }` };
}

describe.each([
  { name: 'redis', startStore: deafRedis, places: true },
  { name: 'memcached', startStore: sharedMemcached, places: false },
  { name: couchbaseName(), startStore: sharedCouchbase, places: true },
])('200 endings on a $name that gives no notice', ({ name, startStore, places }) => {
  it(`reach the clients within ${UNNOTICED} ms all the same`, async () => {
    const store = await startStore();
    try {
      const { courses } = await endings(store, SPREAD, places);
      const latencies = courses.map(({ seen }) => seen);
      const [half, most] = [percentile(latencies, 0.5), Math.max(...latencies)];
      print(
        `endings ${name}, no notice: ${latencies.length} of ${COUNT}, p50 ${ms(half)}, last ${ms(most)} (at most ${UNNOTICED})`,
      );
      expect(latencies).toHaveLength(COUNT);
      expect(most).toBeLessThanOrEqual(UNNOTICED * LENIENCE);
      // A store that gives no notice does not pass for one that does.
      expect(percentile(latencies, 0.99)).toBeGreaterThan(NOTICED);
    } finally {
      await store.stop();
    }
  });
});

/** Ends sessions in all ways, those of stores that count places among them, from a process that holds none of them; answers how that went. */
async function endings(store: Pick<SharedStore, 'backend' | 'resource'>, pace: number, places = true) {
  const session = places ? `${SESSION}, ${PLACES}` : SESSION;
  const fleet = await startFleet(upstream.url, store, { session });
  try {
    // The first one has its password hashed, and connections opened.
    expect(await fleet.ask('GET', '/v1/sessions')).toMatchObject({ status: 200 });
    const held = await Promise.all(Array.from({ length: COUNT }, (_, i) => hold(fleet, `user${i}`, i)));
    const others = await Promise.all([0, 1, 2, 3].map((i) => hold(fleet, `other${i}`, i)));
    const due = await Promise.all(Array.from({ length: COUNT / 10 }, (_, i) => hold(fleet, `due${i}`, i)));

    const ways = waysOf(fleet).filter(({ cause }) => places || cause !== 'limit');
    const waiting: Promise<Course>[] = [];
    for (const [i, each] of held.entries()) {
      // Of ten, eight are ended by the operator.
      const way = ways[Math.min(ways.length - 1, Math.max(0, (i % 10) - 7))] as Ending;
      waiting.push(ended(each, way));
      await pause(pace);
    }
    const courses = await Promise.all(waiting);

    const late = await Promise.all(
      due.map((each) => {
        const end = () => fleet.ask('DELETE', `/v1/sessions/${each.id}?ttl=1`);
        return ended(each, { cause: 'killed', end });
      }),
    );
    for (const each of others) {
      expect([each.user, each.socket.open, each.events.open]).toEqual([each.user, true, true]);
      const { status } = await send(fleet.gateways[0], { headers: { cookie: each.cookie } });
      expect(status).toBe(200);
      each.socket.close();
      each.events.close();
    }
    return { courses, late: late.map(({ seen }) => seen - 1_000) };
  } finally {
    await fleet.stop();
  }
}

function waysOf({ ask, gateways: [one, two] }: Fleet): readonly Ending[] {
  return [
    {
      cause: 'killed',
      end: async ({ id }) => expect((await ask('DELETE', `/v1/sessions/${id}`)).status).toBe(204),
    },
    {
      cause: 'logout',
      end: async ({ cookie }) =>
        expect((await send(`${one}/logout`, { headers: { cookie } })).status).toBe(200),
    },
    {
      // Somebody who may have one session begins a second one.
      cause: 'limit',
      end: async ({ user }) => expect((await send(`${two}/login?user=${user}`)).status).toBe(200),
    },
  ];
}

async function ended(held: Held, { cause, end }: Ending): Promise<Course> {
  const begun = performance.now();
  const answer = end(held).then(() => performance.now() - begun);
  const [socket, events, answered] = await Promise.all([held.socket.over, held.events.over, answer]);
  expect({ socket: socket.told, events: events.told }).toEqual(told(cause));
  return { cause, answered, seen: Math.max(socket.at, events.at) - begun };
}

async function hold({ gateways }: Fleet, user: string, i: number): Promise<Held> {
  const [here, there] = i % 2 === 0 ? gateways : [gateways[1], gateways[0]];
  const cookie = cookieOf(await send(`${here}/login?user=${user}`));
  const [socket, events] = await Promise.all([holdSocket(here, cookie), holdEvents(there, cookie)]);
  return { user, cookie, id: idOf(cookie), socket, events };
}
