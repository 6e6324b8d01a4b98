import type { Backend, SessionId, SessionRecord } from '@sessionkit/session-core';
import { LONG, print } from '@sessionkit/test-stores/run';
import {
  altered,
  FULL_SIZE,
  type RacePair,
  raceSuite,
  raceUpserting,
  raceWorkerHere,
  SHORT_SIZE,
} from '@sessionkit/testkit';
import { afterAll, describe, it } from 'vitest';
import { memory } from '../src/index.js';

const WITHIN = LONG ? 120_000 : 30_000;

const pairs: RacePair[] = [];
afterAll(() => Promise.all(pairs.flatMap(({ a, b }) => [a.close(), b.close()])));

function pairOn(a: Backend, b: Backend): () => Promise<RacePair> {
  const pair = { a: raceWorkerHere(a), b: raceWorkerHere(b) };
  pairs.push(pair);
  return async () => pair;
}

/** A save that stores whatever it is given. */
function upserting(sound: Backend, stored: Map<SessionId, SessionRecord>): Backend {
  return altered(sound, {
    async save(record, signal) {
      stored.set(record.id, record);
      await sound.save(record, signal);
      return true;
    },
    async load(ids, signal) {
      const found = await sound.load(ids, signal);
      return ids.map((id, at) => stored.get(id) ?? found[at]);
    },
    async end(ids, how, signal) {
      for (const id of ids) stored.delete(id);
      return sound.end(ids, how, signal);
    },
  });
}

describe('two managers in one process race on the memory backend', () => {
  const options = { store: 'memory, one process', size: LONG ? FULL_SIZE : SHORT_SIZE, print };
  const store = memory({ log: () => {} });
  const pair = pairOn(store, store.share());
  for (const { name, run } of raceSuite({ ...options, pair })) it(name, run, WITHIN);

  const other = memory({ log: () => {} });
  const stored = new Map<SessionId, SessionRecord>();
  const mutants = pairOn(upserting(other, stored), upserting(other.share(), stored));
  it(
    'over the same backend with a save that upserts changes are lost and ended sessions live again',
    () => raceUpserting({ ...options, pair: mutants }),
    WITHIN,
  );
});
