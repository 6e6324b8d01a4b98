import assert from 'node:assert/strict';
import {
  ABILITIES,
  type Abilities,
  type Backend,
  type BackendTraits,
  can,
  type Millis,
  type SessionRecord,
} from '@sessionkit/session-core';
import { testEnvironment } from './environment.js';
import { makeRecord, nextRecord } from './records.js';
import { SteppedNetwork } from './stepped-network.js';
import type { RunningStore } from './store-harness.js';

/** What the author gives: a `StoreHarness`, or less. A store without addresses, such as memory, is reached without a round trip. */
export interface MeasuredStore {
  /** What it runs on, as it stands in the table. */
  readonly name: string;
  start(): Promise<Pick<RunningStore, 'addresses' | 'connect' | 'stop'>>;
}

/** What a backend says of itself, what it can, and what its verbs cost; plain JSON. */
export interface StoreFacts {
  /** Name of the backend. */
  readonly type: string;
  readonly provedOn: string;
  /** `null`: nothing but memory bounds the record. */
  readonly traits: Omit<BackendTraits, 'maxRecordBytes'> & { readonly maxRecordBytes: number | null };
  /** The trait `durable` with `durable: true`, where the backend has that option. */
  readonly durableByOption: boolean;
  readonly abilities: Readonly<Record<keyof Abilities, boolean>>;
  /** Whether more is read for a page of the same size when the store holds twice as many sessions; `null` where there are no lists. */
  readonly pageGrows: boolean | null;
  /** Round trips that a caller waits for, one after the other; `null` for a verb that is not there. */
  readonly roundTrips: {
    readonly load: number;
    /** The first save of a session. */
    readonly create: number;
    readonly save: number;
    /** Of 500 at a time. */
    readonly touch: number;
    readonly end: number;
    /** A page of 20. */
    readonly list: number | null;
  };
}

/** Sessions that are touched at a time, as many as core sends in one call. */
const TOUCHES = 500;
const PAGE = 20;
/** Sessions that are stored at a time. */
const AT_ONCE = 25;
/** What is read for a page may differ by so much and still be the same. */
const SAME = 1.3;
/** A busy machine may take its time: only round trips are counted. */
const PATIENCE: Millis = 60_000;
/** A busy machine can break one round trip in two, and never make two of them one. */
const TRIES = 5;

/** Never aborts. One for each call: many at a time would be too many listeners on one. */
function unhurried(): AbortSignal {
  return new AbortController().signal;
}

/** Starts the store, measures, and stops it. */
export async function storeFacts(measured: MeasuredStore): Promise<StoreFacts> {
  const store = await measured.start();
  const network = await SteppedNetwork.open(store.addresses);
  try {
    const via = store.addresses.length === 0 ? undefined : network.addresses;
    const backend = await store.connect({ via, pool: 1, deadline: PATIENCE });
    try {
      const roundTrips = await roundTripsOf(backend, network);
      const pageGrows = can(backend, 'inspect') ? await growsWithTheStore(backend, network) : null;
      const { maxRecordBytes = null, ...traits } = backend.traits;
      const abilities = Object.fromEntries(ABILITIES.map((ability) => [ability, can(backend, ability)]));
      const durable = await store.connect({ durable: true });
      const durableByOption = durable.traits.durable;
      await durable.close();
      return {
        type: backend.type,
        provedOn: measured.name,
        traits: { ...traits, maxRecordBytes },
        durableByOption,
        abilities: abilities as Record<keyof Abilities, boolean>,
        pageGrows,
        roundTrips,
      };
    } finally {
      await backend.close();
    }
  } finally {
    await network.close();
    await store.stop();
  }
}

async function roundTripsOf(backend: Backend, network: SteppedNetwork): Promise<StoreFacts['roundTrips']> {
  const environment = testEnvironment({ start: Date.now() });
  const make = () => makeRecord(environment, { startedAt: environment.now() - 1_000 });
  const stored = await filled(backend, make);
  let at = 0;
  const any = () => stored[at++] as SessionRecord;
  let seenAt = environment.now();
  const now = environment.now();
  const how = { at: now, cause: 'logout', by: undefined, keepUntil: now + 3_600_000 } as const;

  const verbs = {
    async load() {
      const [found] = await backend.load([any().id], unhurried());
      assert.ok(found !== undefined && !(found instanceof Error), 'a stored session was not loaded');
    },
    create: () => save(backend, make()),
    save: () => save(backend, nextRecord(environment, any(), { data: '{"n":1}' })),
    async touch() {
      seenAt += 1_000;
      const gone = await backend.touch(
        stored.map(({ id, epoch }) => ({ id, epoch, seenAt })),
        unhurried(),
      );
      assert.deepEqual(gone, [], 'a touch did not find sessions that live');
    },
    list: () => page(backend),
    async end() {
      const { id } = any();
      assert.deepEqual(await backend.end([id], how, unhurried()), [id], 'a session that lives was not ended');
    },
  };

  const least = async (verb: () => Promise<unknown>) => {
    // What is done once, such as to prepare a statement or to hand over a script, is not what the verb costs.
    await verb();
    let found = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < TRIES; tries++) found = Math.min(found, await network.count(verb));
    return found;
  };
  return {
    load: await least(verbs.load),
    create: await least(verbs.create),
    save: await least(verbs.save),
    touch: await least(verbs.touch),
    list: can(backend, 'inspect') ? await least(verbs.list) : null,
    // Last: what has ended is not touched any more.
    end: await least(verbs.end),
  };
}

/** Pages of the first sessions, of some five hundred and of twice as many. */
async function growsWithTheStore(backend: Backend, network: SteppedNetwork): Promise<boolean> {
  const read = async () => {
    await network.count(() => page(backend));
    return network.answered;
  };
  const before = await read();
  const environment = testEnvironment({ start: Date.now() });
  await filled(backend, () => makeRecord(environment));
  return (await read()) > before * SAME;
}

async function page(backend: Backend): Promise<void> {
  assert.ok(can(backend, 'inspect'));
  const { items } = await backend.list({ limit: PAGE }, unhurried());
  assert.equal(items.length, PAGE, 'a page is not full');
}

/** Stores as many sessions as are touched at a time. */
async function filled(backend: Backend, make: () => SessionRecord): Promise<SessionRecord[]> {
  const records = Array.from({ length: TOUCHES }, make);
  for (let at = 0; at < TOUCHES; at += AT_ONCE)
    await Promise.all(records.slice(at, at + AT_ONCE).map((record) => save(backend, record)));
  return records;
}

async function save(backend: Backend, record: SessionRecord): Promise<void> {
  assert.equal(await backend.save(record, unhurried()), true, 'a session was not stored');
}
