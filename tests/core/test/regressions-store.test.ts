import { memory } from '@sessionkit/backend-memory';
import {
  type Ending,
  type PageQuery,
  SessionError,
  type SessionId,
  type SessionRecord,
  type Touch,
} from '@sessionkit/session-core';
import { TestClock } from '@sessionkit/testkit';
import { describe, expect, test } from 'vitest';
import { Browser, field, visit, world, wrap } from './harness.js';
import { down, gate, idOf, operator, recordOf, rig, turns } from './rig.js';

describe('a store that does not keep its contract', () => {
  const answers: readonly (readonly [string, () => unknown])[] = [
    [
      'throws at once',
      () => {
        throw new Error('at once');
      },
    ],
    ['answers fewer records than asked for', () => Promise.resolve([])],
    ['answers more records than asked for', () => Promise.resolve([undefined, undefined])],
    ['answers nothing', () => Promise.resolve(undefined)],
    ['answers a foreign error in place of a record', () => Promise.resolve([new Error('foreign')])],
  ];
  test.each(answers)('by a load that %s is a fault, and clears nothing', async (_what, load) => {
    const { service, manager, broken } = rig();
    const browser = new Browser(service);
    await browser.visit();
    broken.load = load;
    const answer = await browser.visit();
    expect(answer).toMatchObject({ status: 503, refusal: { code: 'store_unavailable' } });
    expect(field(answer.fields, 'set-cookie')).toBeUndefined();
    const fault: unknown = await manager.get(idOf(browser)).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(SessionError);
    expect(fault).toMatchObject({ code: 'BACKEND_FAILED', retryable: true });
    delete broken.load;
    expect((await browser.visit()).status).toBe(200);
  });

  test.each(['end', 'list', 'count'])(
    'by throwing at once from %s is a fault like any other',
    async (verb) => {
      const { service, manager, broken } = rig();
      const browser = new Browser(service);
      await browser.visit();
      broken[verb] = () => {
        throw new Error('at once');
      };
      const calls = {
        end: () => manager.end(idOf(browser), operator),
        list: () => manager.list(),
        count: () => manager.count(),
      };
      const fault: unknown = await calls[verb as keyof typeof calls]().catch((error: unknown) => error);
      expect(fault).toBeInstanceOf(SessionError);
      expect(fault).toMatchObject({ code: 'BACKEND_FAILED', retryable: true });
    },
  );

  test('by a watch that never answers does not keep the manager from closing', async () => {
    const clock = new TestClock();
    const backend = wrap(memory({ now: () => clock.now() }), { watch: () => new Promise(() => undefined) });
    const { manager, environment } = world({ backend }, { clock, deadline: 200 });
    await manager.close();
    expect(clock.running).toBe(0);
    expect(environment.entries.map(({ level }) => level)).toContain('warning');
  });
});

describe('a login', () => {
  test('whose first save failed never sends version 1 of one id twice', async () => {
    const { service, real, broken, clock } = rig();
    const first: SessionId[] = [];
    broken.save = (record: SessionRecord, signal: AbortSignal) => {
      if (record.version === 1) first.push(record.id);
      return first.length === 1 && record.version === 1 ? down() : real.save(record, signal);
    };
    const browser = new Browser(service);
    const answer = await browser.visit(async (session) => {
      session.set('cart', 1);
      await expect(session.login('ann')).rejects.toMatchObject({ code: 'BACKEND_DOWN' });
    });
    expect(answer.status).toBe(200);
    expect(first).toHaveLength(2);
    expect(new Set(first).size).toBe(2);
    await clock.advance(3_000);
    await browser.look((session) => expect(session.all()).toEqual({ cart: 1 }));
  });

  test('that is refused does not take the changes before it along', async () => {
    const { service } = rig({ maxPerUser: { max: 1, full: 'refuse' } });
    await new Browser(service).visit((session) => session.login('ann'));
    const browser = new Browser(service);
    await browser.visit();
    const answer = await browser.visit(async (session) => {
      session.set('cart', 1);
      await expect(session.login('ann')).rejects.toMatchObject({ clientCode: 'too_many' });
    });
    expect(answer.status).toBe(200);
    await browser.look((session) => {
      expect(session.get('cart')).toBe(1);
      expect(session.user).toBeUndefined();
    });
  });

  test('stands when the session that must give way can not be ended now, and that one ends later', async () => {
    const { service, broken, clock, manager } = rig({ maxPerUser: { max: 1, full: 'oldest' } });
    const oldest = new Browser(service);
    await oldest.visit((session) => session.login('ann'));
    const browser = new Browser(service);
    await browser.visit();
    broken.end = down;
    expect((await browser.visit((session) => session.login('ann'))).status).toBe(200);
    delete broken.end;
    expect((await browser.visit()).visit.session.user).toBe('ann');
    await clock.advance(1_000);
    expect(await oldest.visit()).toMatchObject({ status: 401, refusal: { code: 'session_ended' } });
    expect((await manager.list({ state: 'ended' })).items).toMatchObject([{ cause: 'limit' }]);
  });

  test('ends a session whose place it took as soon as that is stored, and asks for it no longer than its claim holds', async () => {
    const { service, broken, real, clock, manager } = rig({ maxPerUser: { max: 1, full: 'oldest' } });
    const claimed = gate();
    const slow = new Browser(service);
    broken.save = async (record: SessionRecord, signal: AbortSignal) => {
      await claimed.passed;
      return real.save(record, signal);
    };
    const late = slow.visit((session) => session.login('ann'));
    await turns();
    delete broken.save;
    const quick = new Browser(service);
    await clock.advance(10);
    await quick.visit((session) => session.login('ann'));
    claimed.open();
    expect((await late).status).toBe(200);
    await clock.advance(1_000);
    expect(await slow.visit()).toMatchObject({ status: 401, refusal: { code: 'session_ended' } });
    expect((await manager.list({ user: 'ann' })).items).toMatchObject([{ id: idOf(quick) }]);

    let asked = 0;
    broken.end = (...args: Parameters<typeof real.end>) => {
      asked += 1;
      return real.end(...args);
    };
    await clock.advance(10_000);
    expect(asked).toBe(0);
    // One that never comes.
    broken.save = down;
    await slow.visit((session) => session.login('bea'));
    delete broken.save;
    await quick.visit(async (session) => session.login('bea'));
    await clock.advance(59_000);
    expect(asked).toBeGreaterThan(50);
    await clock.advance(5_000);
    asked = 0;
    await clock.advance(60_000);
    expect(asked).toBe(0);
  });
});

describe('what is written in the background', () => {
  test('does not pile up behind a store that does not answer: a close waits for one flush more', async () => {
    const { service, broken, clock, manager } = rig();
    const browser = new Browser(service);
    for (let i = 0; i < 2; i++) await browser.visit();
    const answering = gate();
    let calls = 0;
    broken.touch = async () => {
      calls++;
      await answering.passed;
      return down();
    };
    await clock.advance(30_000);
    expect(calls).toBe(1);
    const closing = manager.close();
    answering.open();
    await closing;
    expect(calls).toBe(2);
  });

  test('goes on past a chunk of touches that fails, which is told once and tried again', async () => {
    const { service, broken, real, clock, environment } = rig({ idleTimeout: 60_000 });
    const browsers = Array.from({ length: 600 }, () => new Browser(service));
    for (const browser of browsers) await browser.visit();
    await clock.advance(30_000);
    const used = clock.now();
    const bad = idOf(browsers[0] ?? new Browser(service));
    broken.touch = (batch: readonly Touch[], signal: AbortSignal) =>
      batch.some(({ id }) => id === bad)
        ? Promise.reject(new SessionError('BACKEND_FAILED', 'bad row'))
        : real.touch(batch, signal);
    for (const browser of browsers) await browser.visit();
    environment.entries.length = 0;
    await clock.advance(5_000);
    const seen: number[] = [];
    for (const browser of browsers) seen.push((await recordOf(real, idOf(browser))).seenAt);
    const missed = seen.filter((at) => at < used).length;
    expect(missed).toBeGreaterThan(0);
    expect(missed).toBeLessThanOrEqual(500);
    // In the order of their use: those of the second chunk are written.
    expect(seen.slice(500).every((at) => at === used)).toBe(true);
    expect(environment.entries.map(({ level }) => level)).toEqual(['warning']);
    delete broken.touch;
    await clock.advance(1_000);
    for (const browser of browsers) expect((await recordOf(real, idOf(browser))).seenAt).toBe(used);
  });

  test('ends ids of unknown outcome in chunks of at most 500, all of them', async () => {
    const { service, broken, real, clock } = rig();
    const begun = new Set<SessionId>();
    broken.save = async (record: SessionRecord, signal: AbortSignal) => {
      begun.add(record.id);
      await real.save(record, signal);
      return down();
    };
    broken.end = down;
    await Promise.all(Array.from({ length: 1_100 }, () => visit(service)));
    await clock.advance(2_000);
    const chunks: (readonly SessionId[])[] = [];
    broken.end = (ids: readonly SessionId[], how: Ending, signal: AbortSignal) => {
      chunks.push(ids);
      return real.end(ids, how, signal);
    };
    await clock.advance(2_000);
    expect(Math.max(...chunks.map(({ length }) => length))).toBeLessThanOrEqual(500);
    expect(new Set(chunks.flat())).toEqual(begun);
    expect(begun.size).toBe(1_100);
  });
});

test('a page of the living behind many that have run out takes few calls', async () => {
  const { service, broken, real, clock, manager } = rig({ idleTimeout: 60_000 });
  for (let i = 0; i < 400; i++) await visit(service);
  await clock.advance(61_000);
  for (let i = 0; i < 3; i++) await visit(service);
  let calls = 0;
  broken.list = (query: PageQuery, signal: AbortSignal) => {
    calls++;
    return real.list(query, signal);
  };
  expect((await manager.list({ limit: 2 })).items).toHaveLength(2);
  expect(calls).toBeLessThan(20);
});
