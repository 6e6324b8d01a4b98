import { once } from 'node:events';
import type { Query, SessionId } from '@sessionkit/session-core';
import type { Program } from '@sessionkit/test-stores/program';
import { nextRecord, type TestEnvironment } from '@sessionkit/testkit';
import { expect } from 'vitest';
import type { Done, Order } from './steps-process.js';
import { found, Setting, type Store, signal, type Trial, verbs } from './steps-verbs.js';

/** A store in which the same is tried again and again. */
export interface Subject {
  readonly order: Pick<Order, 'store' | 'url' | 'inFlight' | 'reversed'>;
  readonly environment: TestEnvironment;
  readonly program: Program;
  /** Verbs that are tried at the same time: 1 where all have the same place. */
  readonly together: number;
  /** An empty place of its own, and a backend on it as another process has it. */
  open(): Promise<{ readonly place: string; readonly store: Store }>;
  /** The same place a minute after: entries without their sessions have lapsed. */
  later(place: string): Store | Promise<Store>;
  /** Waits until the store has done with what it was sent; then takes away leases that a minute would end. */
  settle(place: string): Promise<void>;
  /** What is stored there at all; nothing may be left when all sessions have been swept. */
  remains(place: string): Promise<readonly string[]>;
}

export interface Outcome {
  verbs: number;
  steps: number;
  kills: number;
  /** Verb, steps taken and what did not hold. */
  readonly broken: string[];
}

const MANY = 1_000;
const MINUTE = 60_000;
const YEARS = 1e12;

/** Kills a process at every step of every verb, and looks from another one at what it left. */
export async function killAtEveryStep(
  subject: Subject,
  names: readonly string[] = Object.keys(verbs),
): Promise<Outcome> {
  const outcome: Outcome = { verbs: names.length, steps: 0, kills: 0, broken: [] };
  const left = [...names];
  const work = async () => {
    for (let name = left.shift(); name !== undefined; name = left.shift())
      await everyStepOf(name, subject, outcome);
  };
  await Promise.all(Array.from({ length: subject.together }, work));
  return outcome;
}

async function everyStepOf(name: string, subject: Subject, outcome: Outcome): Promise<void> {
  const prepare = verbs[name];
  if (prepare === undefined) throw new Error(`there is no ${name}`);
  for (let steps = 0; ; steps++) {
    const { place, store } = await subject.open();
    const setting = new Setting(store, subject.environment);
    const bystander = await setting.stored({ user: 'cleo' });
    const trial = await prepare(setting);
    const done = await attempt(subject, {
      ...subject.order,
      place,
      steps,
      verb: trial.verb,
      args: trial.args,
    });
    if (!done) outcome.kills++;
    await subject.settle(place);
    try {
      await check(subject, place, trial, bystander.id, done);
    } catch (error) {
      outcome.broken.push(`${name}, ${steps} steps: ${(error as Error).message}`);
    }
    if (!done) continue;
    outcome.steps += steps;
    return;
  }
}

/** Whether the call came to its end before the process was killed. */
async function attempt({ program }: Subject, order: Order): Promise<boolean> {
  const child = program.start([JSON.stringify(order)]);
  let said: Done | undefined;
  child.on('message', (message: Done) => {
    said = message;
  });
  const [code, how] = (await once(child, 'exit')) as [number | null, string | null];
  if (said === undefined && how !== 'SIGKILL') throw new Error(`${order.verb} failed: ${code}`);
  return said !== undefined;
}

async function check(
  subject: Subject,
  place: string,
  trial: Trial,
  bystander: SessionId,
  done: boolean,
): Promise<void> {
  const store = await subject.later(place);
  const ids = [bystander, ...trial.ids];
  await trial.holds?.(store, done);
  await listed(store, ids);
  expect((await found(store, bystander))?.ended).toBeUndefined();
  for (const id of ids) await staysEnded(subject, store, id);
  // Whatever was interrupted, a sweep and those who list leave nothing behind.
  await store.sweep(subject.environment.now() + YEARS, MANY, signal);
  expect(await store.load(ids, signal)).toEqual(ids.map(() => undefined));
  await listed(store, ids);
  expect(await subject.remains(place)).toEqual([]);
}

/** Each list has exactly the sessions that are stored; each count is as long. */
async function listed(store: Store, ids: readonly SessionId[]): Promise<void> {
  const records = (await Promise.all(ids.map((id) => found(store, id)))).filter((each) => each !== undefined);
  const queries: Query[] = [undefined, 'open' as const, 'ended' as const].flatMap((state) =>
    [undefined, 'shop', 'bank'].flatMap((service) =>
      [undefined, 'ann', 'bob', 'cleo'].map((user) => ({ state, service, user })),
    ),
  );
  const wanted = (query: Query) =>
    records
      .filter((record) => query.service === undefined || record.service === query.service)
      .filter((record) => query.user === undefined || record.user === query.user)
      .filter(
        (record) => query.state === undefined || (query.state === 'ended') === (record.ended !== undefined),
      )
      .map(({ id }) => id)
      .sort();
  // Counts are true once the lists were read.
  await Promise.all(
    queries.map(async (query) => {
      const { items } = await store.list({ ...query, limit: MANY }, signal);
      expect(
        items.map(({ id }) => id),
        `listed: ${JSON.stringify(query)}`,
      ).toEqual(wanted(query));
    }),
  );
  await Promise.all(
    queries.map(async (query) =>
      expect(await store.count(query, signal), `counted: ${JSON.stringify(query)}`).toBe(
        wanted(query).length,
      ),
    ),
  );
}

async function staysEnded({ environment }: Subject, store: Store, id: SessionId): Promise<void> {
  const record = await found(store, id);
  if (record?.ended === undefined) return;
  const { ended: _, ...open } = record;
  expect(await store.save(nextRecord(environment, { ...open, ended: undefined }), signal)).toBe(false);
  const seenAt = environment.now() + MINUTE;
  expect(await store.touch([{ id, epoch: record.epoch, seenAt }], signal)).toEqual([id]);
  expect((await found(store, id))?.ended).toEqual(record.ended);
}

/** `redis: 40 steps of 13 verbs, 40 kills, 0 broken`. */
export function line(name: string, { steps, verbs: count, kills, broken }: Outcome): string {
  return `${name}: ${steps} steps of ${count} verbs, ${kills} kills, ${broken.length} broken`;
}
