import { memory } from '@sessionkit/backend-memory';
import {
  createSessionManager,
  type Ending,
  type SessionId,
  type SessionRecord,
  type Touch,
} from '@sessionkit/session-core';
import { TestClock, testEnvironment } from '@sessionkit/testkit';
import { cookie } from '@sessionkit/transport-cookie';
import { describe, expect, test } from 'vitest';
import { Browser, request, visit, world, wrap } from './harness.js';
import { gate, idOf, operator, recordOf, rig, turns } from './rig.js';

describe('a session that is held open', () => {
  test("is told of an operator's end to come where the store gives no notice", async () => {
    const { service, manager, clock, real } = rig();
    const deaf = createSessionManager({ environment: testEnvironment({ clock }) });
    const far = deaf.service('shop', {
      backend: wrap(real.share(), { watch: undefined }),
      transports: [cookie()],
    });
    const browser = new Browser(service);
    await browser.visit();
    const { signal } = (await far.open(request({ headers: { cookie: browser.cookie } }))).session;
    await manager.end(idOf(browser), operator, 10_000);
    await clock.advance(9_000);
    expect(signal.aborted).toBe(false);
    await clock.advance(8_000);
    expect(signal.aborted).toBe(true);
  });

  test('is not taken for idle by a store that has not been told of its use yet', async () => {
    const { service, broken, clock } = rig({ idleTimeout: 10_000 }, { flushInterval: 60_000 });
    broken.watch = undefined;
    const browser = new Browser(service);
    await browser.visit();
    const { signal } = (await service.open(request({ headers: { cookie: browser.cookie } }))).session;
    expect(signal.aborted).toBe(false);
    for (let i = 0; i < 10; i++) {
      await clock.advance(3_000);
      await browser.visit();
    }
    expect(signal.aborted).toBe(false);
    await clock.advance(16_000);
    expect(signal.aborted).toBe(true);
  });

  test('for longer than its idle time keeps its changes and may be rotated while it is used elsewhere', async () => {
    const { service, real, clock } = rig({ idleTimeout: 60_000 });
    const browser = new Browser(service);
    await browser.visit();
    const parts = request({ headers: { cookie: browser.cookie } });
    const [stream, socket] = [await service.open(parts), await service.open(parts)];
    for (let i = 0; i < 3; i++) {
      await clock.advance(30_000);
      await browser.look(() => undefined);
      await clock.advance(2_000);
    }
    stream.session.set('a', 1);
    await stream.session.commit();
    expect(JSON.parse((await recordOf(real, idOf(browser))).data)).toEqual({ a: 1 });
    expect(await socket.session.rotate()).toBe('rotated');
    await clock.advance(70_000);
    stream.session.set('a', 2);
    await expect(stream.session.commit()).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test('for longer than its idle time is not asked for all the time while it is used elsewhere', async () => {
    const { service, real, broken, clock } = rig({ idleTimeout: 60_000 });
    const browser = new Browser(service);
    await browser.visit();
    const { signal } = (await service.open(request({ headers: { cookie: browser.cookie } }))).session;
    await clock.advance(30_000);
    await browser.visit();
    await clock.advance(29_000);
    let loads = 0;
    broken.load = (ids: readonly SessionId[], signal: AbortSignal) => {
      loads++;
      return real.load(ids, signal);
    };
    await clock.advance(10_000);
    expect([loads, signal.aborted]).toEqual([1, false]);
    await clock.advance(22_000);
    expect(signal.aborted).toBe(true);
  });

  test('is let go when it is closed while its commit is under way', async () => {
    const { service, real, broken, clock } = rig();
    const browser = new Browser(service);
    await browser.visit();
    await clock.advance(2_000);
    const held = await service.open(request({ headers: { cookie: browser.cookie } }));
    expect(held.session.signal.aborted).toBe(false);
    const touched: SessionId[] = [];
    broken.touch = (batch: readonly Touch[], signal: AbortSignal) => {
      touched.push(...batch.map(({ id }) => id));
      return real.touch(batch, signal);
    };
    await clock.advance(10_000);
    expect(touched.length).toBeGreaterThan(0);
    held.session.set('a', 1);
    const saving = gate();
    broken.save = async (record: SessionRecord, signal: AbortSignal) => {
      await saving.passed;
      return real.save(record, signal);
    };
    const commit = held.session.commit();
    held.close();
    saving.open();
    await commit;
    touched.length = 0;
    await clock.advance(11_000);
    expect(touched).toEqual([]);
  });

  test('and is found idle long after is ended so that its cause stays readable', async () => {
    const { service, real, broken, clock } = rig({ idleTimeout: 10_000, keepEnded: 7_200_000 });
    const browser = new Browser(service);
    await browser.visit();
    const kept: number[] = [];
    broken.end = (ids: readonly SessionId[], how: Ending, signal: AbortSignal) => {
      kept.push(how.keepUntil - how.at);
      return real.end(ids, how, signal);
    };
    const held = await service.open(request({ headers: { cookie: browser.cookie } }));
    const { signal } = held.session;
    // As a process that was suspended finds it.
    clock.jump(30_000);
    await clock.advance(2_000);
    expect(signal.aborted).toBe(true);
    expect(kept).toEqual([7_200_000]);
    expect((await recordOf(real, idOf(browser))).ended).toMatchObject({ cause: 'idle' });
  });
});

describe('the clock', () => {
  test('gives whole milliseconds to what is stored', async () => {
    const clock = new TestClock();
    const real = memory({ now: () => clock.now() });
    const environment = testEnvironment({ clock });
    let odd = 0;
    const uneven = { ...environment, now: () => clock.now() + (odd++ % 2) };
    const saved: SessionRecord[] = [];
    const backend = wrap(real, {
      save: (record: SessionRecord, signal: AbortSignal) => {
        saved.push(record);
        return real.save(record, signal);
      },
    });
    const manager = createSessionManager({ environment: uneven });
    const service = manager.service('shop', { backend, transports: [cookie()], autoCreate: true });
    await turns();
    await visit(service, {}, (session) => session.login('ann'));
    expect(saved.length).toBeGreaterThan(0);
    for (const { startedAt, endsAt, seenAt, secretAt } of saved) {
      expect([startedAt, endsAt, seenAt, secretAt].every(Number.isInteger)).toBe(true);
    }
  });

  test('of the store is waited for before the first session is made', async () => {
    const clock = new TestClock();
    const real = memory({ now: () => clock.now() });
    const known = gate();
    const backend = wrap(real, {
      now: async () => {
        await known.passed;
        return clock.now();
      },
    });
    const manager = createSessionManager({ environment: testEnvironment({ clock, skew: 600_000 }) });
    const service = manager.service('shop', { backend, transports: [cookie()], autoCreate: true });
    const browser = new Browser(service);
    const first = browser.visit();
    await turns();
    known.open();
    await first;
    await turns();
    expect((await recordOf(real, idOf(browser))).startedAt).toBe(clock.now());
    expect((await browser.visit()).status).toBe(200);
  });

  test('of a process that steps forward does not sweep the living away', async () => {
    const clock = new TestClock();
    const real = memory({ now: () => clock.now() });
    let slow = false;
    const backend = wrap(real, {
      now: async () => {
        if (slow) await turns(4);
        return clock.now();
      },
    });
    const { service, environment, manager } = world({ backend, idleTimeout: 900_000 }, { clock });
    await new Browser(service).visit();
    await clock.advance(1_000);
    slow = true;
    environment.skew = 7_200_000;
    await clock.advance(59_500);
    await turns(10);
    environment.skew = 0;
    await clock.advance(60_000);
    await turns(10);
    expect(await manager.count()).toBe(1);
  });

  test('of a process that steps forward ends no session in the store', async () => {
    const { service, environment, real, clock } = rig({ idleTimeout: 900_000 });
    const browser = new Browser(service);
    await browser.visit();
    const token = { headers: { cookie: browser.cookie } };
    await clock.advance(1_000);
    environment.skew = 3_600_000;
    expect((await visit(service, token)).status).toBe(401);
    await turns();
    expect((await recordOf(real, idOf(browser))).ended).toBeUndefined();
    await clock.advance(60_000);
    expect((await visit(service, token)).status).toBe(200);
  });

  test('of a store that answers no number changes nothing', async () => {
    const { service, broken, clock } = rig();
    const browser = new Browser(service);
    await browser.visit();
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY]) {
      broken.now = () => Promise.resolve(wrong);
      await clock.advance(60_000);
      expect((await browser.visit()).status).toBe(200);
    }
  });

  test('that steps back does not take the last use back', async () => {
    const { service, real, environment, clock, manager } = rig();
    const browser = new Browser(service);
    await browser.visit();
    await clock.advance(10_000);
    await browser.visit();
    const latest = clock.now();
    environment.skew = -5_000;
    await browser.visit();
    environment.skew = 0;
    await manager.flush();
    expect((await recordOf(real, idOf(browser))).seenAt).toBe(latest);
  });
});

test.each([Number.NaN, -1])('an operator can not end a session %d ms from now', async (ttl) => {
  const { service, manager } = world();
  const browser = new Browser(service);
  await browser.visit();
  await expect(manager.end(idOf(browser), operator, ttl)).rejects.toMatchObject({ code: 'INVALID_VALUE' });
  expect((await browser.visit()).status).toBe(200);
});

test('a store without a clock has no offset to tell', async () => {
  const { manager, service } = world({ backend: wrap(memory(), { now: () => Promise.resolve(undefined) }) });
  await visit(service);
  expect((await manager.health())[0]?.clockOffset).toBeUndefined();
});
