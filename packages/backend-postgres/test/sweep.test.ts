import { makeRecord, testEnvironment } from '@sessionkit/testkit';
import { expect, it } from 'vitest';
import { tablesOf } from '../src/options.js';
import { awkward, signal, startPlace } from './store.js';

const DEAD = 600;
const place = await startPlace();
const { schema, admin } = place;
const environment = testEnvironment({ random: 8 });
const dead = () => makeRecord(environment, { startedAt: environment.now() - 90_000, idle: 1_000 });

it('while one process sweeps a table, another finds nothing to do there, and elsewhere it does', async () => {
  const table = awkward("it's swept");
  const [backend, other] = [place.backend({ table }), place.backend({ table: 'another' })];
  const [here, there] = [dead(), dead()];
  await backend.save(here, signal);
  await other.save(there, signal);
  const holder = await admin.connect();
  const turn = `sessionkit sweep ${tablesOf({ schema, table }).sessions}`;
  await holder.query('begin');
  await holder.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [turn]);
  expect(await backend.sweep(environment.now(), 10, signal)).toEqual([]);
  expect(await other.sweep(environment.now(), 10, signal)).toEqual([there.id]);
  await holder.query('rollback');
  holder.release();
  expect(await backend.sweep(environment.now(), 10, signal)).toEqual([here.id]);
});

it('what eight processes sweep at once is swept by one at a time, and goes once', async () => {
  const backends = Array.from({ length: 8 }, () =>
    place.backend({ table: 'crowded', pool: place.pool({ max: 1 }), writeWithin: 60_000 }),
  );
  const [first = expect.fail()] = backends;
  const records = Array.from({ length: DEAD }, dead);
  await Promise.all(records.map((record) => first.save(record, signal)));
  const rounds = [];
  while ((await first.count({}, signal)) > 0)
    rounds.push(await Promise.all(backends.map((each) => each.sweep(environment.now(), 100, signal))));
  const swept = rounds.flat(2);
  expect([...swept].sort()).toEqual(records.map(({ id }) => id).sort());
});
