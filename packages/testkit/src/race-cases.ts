import assert from 'node:assert/strict';
import { type Abilities, WRITES_KEPT } from '@sessionkit/session-core';
import {
  fresh,
  LEAST_ACKNOWLEDGED,
  LEAST_OVERLAPPING,
  marksOf,
  opened,
  type RacePair,
  type RaceSize,
  raceRevivals,
  raceVisits,
  shown,
} from './race-measures.js';
import type { Told, VisitOrder } from './race-worker.js';

/** A race that a store must come out of unharmed; `run` throws when it does not. */
export interface RaceCase {
  readonly name: string;
  /** Only for backends with all of these. */
  readonly abilities?: readonly (keyof Abilities)[] | undefined;
  run(pair: RacePair, size: RaceSize): Promise<void>;
}

const MAX = 3;
const LOGINS = 8;
const PATIENT = 30_000;
/** A session rolls by a tenth of its idle time, so that whoever is that far ahead renews its cookie. */
const IDLE = 100_000;
const ROLLED = 20_000;
/** A secret that was superseded is only recognised for so long, and a claim without its session lapses after so long. */
const MINUTE = 60_000;

const add = (key: string, mark: string) => ({ add: { key, mark } });
const times = <T>(count: number, make: (at: number) => T) =>
  Array.from({ length: count }, (_, at) => make(at));

export const raceCases: readonly RaceCase[] = [
  {
    name: 'what two processes change in one session at the same time is all there, each change once, and no visit is refused for the other',
    async run(pair, { visits }) {
      const report = await raceVisits(pair, visits);
      const seen = JSON.stringify(report);
      assert.equal(report.lost, 0, seen);
      assert.equal(report.conflicts, 0, seen);
      assert(report.acknowledged >= report.visits * LEAST_ACKNOWLEDGED, seen);
      assert(report.overlapping >= report.visits * LEAST_OVERLAPPING, seen);
    },
  },
  {
    name: 'a session that has ended stays so, whatever save, touch or entry was under way in the other process',
    async run(pair, { revivals }) {
      assert.equal(await raceRevivals(pair, revivals), 0, 'sessions live again');
    },
  },
  {
    name: 'of two processes that create a session with one id one wins, and the other draws another id',
    run: createWithOneId,
  },
  {
    name: 'a save whose answer was cut off and which is sent again counts once, also when the other process saved in between',
    run: sendAgain,
  },
  {
    name: 'a login in one process leaves nothing to who shows the old secret in the other: no change, no session, no cookie',
    run: login,
  },
  {
    name: 'logins of one user in two processes never get more places than there are, and places that nobody came for are free after a minute',
    abilities: ['slots', 'inspect'],
    run: refuseLogins,
  },
  {
    name: 'where the oldest give way, logins of one user in two processes leave no more sessions than there are places, in whatever order they are stored',
    abilities: ['slots', 'inspect'],
    run: replaceOldest,
  },
];

async function createWithOneId({ a, b }: RacePair, { rounds }: RaceSize): Promise<void> {
  const name = fresh('create');
  const drawsAt = Date.now();
  const service = { name, drawsAt, deadline: PATIENT };
  await Promise.all([a.serve(service), b.serve(service)]);
  for (let round = 0; round < rounds; round++) {
    const draw = Math.floor(Math.random() * 1e9);
    for (const worker of [a, b]) await worker.hold('save', 'before');
    const creating = [
      a.visit(name, [{ draw, ...add('a', 'a') }]),
      b.visit(name, [{ draw, ...add('b', 'b') }]),
    ];
    const [[wanted], [same]] = [await a.held('save', 1), await b.held('save', 1)];
    assert.equal(wanted, same, 'both have drawn one id');
    await Promise.all([a.release('save'), b.release('save')]);
    const told = (await Promise.all(creating)).flat();
    assert.equal(told.filter(({ id }) => id === wanted).length, 1, `one has the id: ${shown(told)}`);
    for (const worker of [a, b]) {
      const orders = told.map(({ token }) => ({ token, read: true }));
      const marks = (await worker.visit(name, orders)).map(marksOf);
      assert.deepEqual(marks, [['a'], ['b']], 'each token opens what its own process stored');
    }
  }
}

async function sendAgain({ a, b }: RacePair, { rounds }: RaceSize): Promise<void> {
  const name = fresh('again');
  const service = { name, deadline: PATIENT };
  await Promise.all([a.serve(service), b.serve(service)]);
  for (let round = 0; round < rounds; round++) {
    // So many saves of the other come between; after sixteen nobody can tell any more whether the first one was stored.
    for (const between of [0, 1, WRITES_KEPT - 1, WRITES_KEPT]) {
      const [{ token } = { token: '' }] = await opened(a, name, 1);
      await a.hold('save', 'lost');
      const saving = a.visit(name, [{ token, ...add('both', 'cut') }]);
      await a.held('save', 1);
      for (let n = 0; n < between; n++) {
        const [told] = await b.visit(name, [{ token, ...add('both', `${n}`) }]);
        assert.equal(told?.acknowledged, true, shown(told));
      }
      await a.release('save');
      const [told] = await saving;
      if (between < WRITES_KEPT) assert.equal(told?.acknowledged, true, shown(told));
      else assert.equal(told?.fault, 'BACKEND_FAILED', 'the outcome is unknown, and it is not tried again');
      for (const worker of [a, b]) {
        const [read] = await worker.visit(name, [{ token, read: true }]);
        const wanted = ['first', 'cut', ...times(between, String)];
        assert.deepEqual(read?.data?.both, wanted, `${between} saves in between`);
        assert.equal(read?.data?.n, wanted.length);
      }
    }
  }
}

async function login({ a, b }: RacePair, { rounds }: RaceSize): Promise<void> {
  const name = fresh('login');
  const superseded: VisitOrder[] = [];
  const service = { name, deadline: PATIENT, idleTimeout: IDLE };
  // The one with the old cookie is ahead by as much as it takes to renew it.
  await Promise.all([a.serve(service), b.serve({ ...service, ahead: ROLLED })]);
  const cookieOf = (told: Told | undefined) => told?.fields.find(([field]) => field === 'set-cookie')?.[1];
  for (let round = 0; round < rounds; round++) {
    const [{ id, token } = { id: '', token: '' }] = await opened(a, name, 1);
    const poll = { token };
    superseded.push(poll);
    if (round === 0) {
      const [before] = await b.visit(name, [poll]);
      assert(cookieOf(before) === token, 'a poll before the login has its cookie renewed');
    }
    const [{ token: other } = { token: '' }] = await opened(a, name, 1);

    await b.hold('save', 'before');
    const saving = b.visit(name, [
      { token, ...add('b', 'save') },
      { token, ...add('both', 'save too') },
    ]);
    await b.held('save', 1);
    await b.hold('load', 'after');
    const polling = b.visit(name, [poll, { token: other }, { token, ...add('b', 'poll') }]);
    await b.held('load', 2);
    const [logged] = await a.visit(name, [{ token, login: 'ann', ...add('a', 'login') }]);
    assert.equal(logged?.acknowledged, true, shown(logged));
    assert.equal(logged?.id, id, 'a login keeps the id');
    const present = logged?.token;
    assert(present !== undefined && present !== token, 'and hands out another token');
    await b.release('load');
    await b.release('save');

    const saves = await saving;
    const [polled, control, changed] = await polling;
    for (const told of [...saves, changed])
      assert.equal(told?.fault, 'CONFLICT', `a change under the old login: ${shown(told)}`);
    assert(cookieOf(polled) === undefined, 'a poll that began before the login has no cookie');
    assert(cookieOf(control) === other, 'that of another session has');
    for (const worker of [a, b]) {
      const [after, tried] = await worker.visit(name, [poll, { token, ...add('b', 'after') }]);
      assert(after !== undefined && tried !== undefined);
      shut(after, 'after the login');
      shut(tried, 'after the login, with a change');
      const [read] = await worker.visit(name, [{ token: present, read: true }]);
      assert.equal(read?.user, 'ann', shown(read));
      assert.deepEqual({ ...read?.data }, { both: ['first'], a: ['login'], n: 2 });
    }
  }
  await loginInAStream({ a, b }, name);
  // Shortly before the minute is over, and after it.
  await a.serve({ ...service, ahead: MINUTE - 10_000 });
  for (const told of await a.visit(name, superseded)) shut(told, '50 s later');
  await a.serve({ ...service, ahead: MINUTE + 10_000 });
  for (const told of await a.visit(name, superseded)) assert.equal(told.refusal, 'session_invalid');

  function shut(told: Told, when: string): void {
    assert.equal(told.id, undefined, `the old secret opens nothing ${when}: ${shown(told)}`);
    assert(cookieOf(told) === undefined, `the old secret gets no cookie ${when}`);
  }
}

/** Nothing is held here: what was acknowledged before the login is kept by it, and all that came later is not there. */
async function loginInAStream(pair: RacePair, name: string): Promise<void> {
  // On a busy machine the stream may be over before the login comes.
  for (let tries = 5; tries > 0; tries--) if (await fellIntoTheStream(pair, name)) return;
  assert.fail('the login fell into the stream');
}

async function fellIntoTheStream({ a, b }: RacePair, name: string): Promise<boolean> {
  const [{ token } = { token: '' }] = await opened(a, name, 1);
  const slowness = { oneIn: 2, least: 0, most: 4 };
  const plan = { tokens: [token], first: 0, count: 200, together: 4, own: 'b', slowness };
  let over = false;
  const streaming = b.stream(name, plan).finally(() => {
    over = true;
  });
  // The login falls into the stream, not before it.
  for (let seen = 0; seen < 10 && !over; ) {
    const [before] = await a.visit(name, [{ token, read: true }]);
    seen = marksOf(before).length;
  }
  const [logged] = await a.visit(name, [{ token, login: 'ann' }]);
  const { acknowledged } = await streaming;
  const [read] = await a.visit(name, [{ token: logged?.token, read: true }]);
  assert.deepEqual(marksOf(read).sort(), ['first', ...acknowledged].sort());
  return acknowledged.length < plan.count;
}

async function refuseLogins({ a, b }: RacePair, { rounds }: RaceSize): Promise<void> {
  const name = fresh('refuse');
  const service = { name, maxPerUser: { max: MAX, full: 'refuse' as const }, deadline: PATIENT };
  await Promise.all([a.serve(service), b.serve(service)]);
  for (let round = 0; round < rounds; round++) {
    const user = `user ${round}`;
    for (const worker of [a, b]) await worker.slow({ oneIn: 2, least: 2, most: 10 });
    const orders: VisitOrder[] = times(LOGINS, () => ({ login: user }));
    const told = (await Promise.all([a.visit(name, orders), b.visit(name, orders)])).flat();
    for (const worker of [a, b]) await worker.slow(null);
    const refused = told.filter(({ acknowledged }) => !acknowledged);
    assert.equal(told.length - refused.length, MAX, 'as many are let in as there are places');
    for (const one of refused) assert.equal(one.refusal, 'too_many', shown(one));
    for (const worker of [a, b]) assert.equal((await worker.sessionsOf(name, user)).length, MAX);
  }

  const user = 'nobody came';
  await a.hold('save', 'dropped');
  const lost = await a.visit(
    name,
    times(MAX, () => ({ login: user })),
  );
  await a.release('save');
  assert(
    lost.every(({ fault }) => fault === 'BACKEND_DOWN'),
    shown(lost),
  );
  const [full] = await b.visit(name, [{ login: user }]);
  assert.equal(full?.refusal, 'too_many', 'a place is kept for a login under way');
  await b.serve({ ...service, ahead: MINUTE + 1_000 });
  const later = await b.visit(
    name,
    times(MAX, () => ({ login: user })),
  );
  assert(
    later.every(({ acknowledged }) => acknowledged),
    shown(later),
  );
}

async function replaceOldest({ a, b }: RacePair, { rounds }: RaceSize): Promise<void> {
  const name = fresh('oldest');
  const service = { name, maxPerUser: { max: MAX, full: 'oldest' as const }, deadline: PATIENT };
  await Promise.all([a.serve(service), b.serve(service)]);
  for (let round = 0; round < rounds; round++) {
    const user = `user ${round}`;
    const orders: VisitOrder[] = times(LOGINS, () => ({ login: user }));
    // In each second round half of them are out of anonymous sessions, which end, and whose logins begin anew, if their places are given away.
    const mixed = round % 2 === 1;
    const known = mixed ? await opened(a, name, LOGINS) : [];
    for (const [at, { token }] of known.entries()) orders[at] = { token, login: user };
    const [ofA, ofB] = [orders, mixed ? orders.map(({ login }) => ({ login })) : orders];
    for (const worker of [a, b]) await worker.hold('save', 'before');
    const logins = [a.visit(name, ofA), b.visit(name, ofB)];
    for (const worker of [a, b]) await worker.held('save', LOGINS);
    // All have their places, and nothing is stored: those of one process come to the store when the other's are done.
    const [first, second] = round % 4 < 2 ? [b, a] : [a, b];
    await first.release('save');
    await logins[first === a ? 0 : 1];
    await second.release('save');
    const told = (await Promise.all(logins)).flat();
    assert(
      told.every(({ acknowledged }) => acknowledged),
      shown(told),
    );
    for (const worker of [a, b]) await worker.flush(name);
    for (const worker of [a, b]) {
      const { length } = await worker.sessionsOf(name, user);
      // A login that began anew has asked for a second place, and may have driven out one too many.
      assert(mixed ? length <= MAX && length > 0 : length === MAX, `${length} sessions in round ${round}`);
    }
  }
}
