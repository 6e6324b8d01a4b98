import { memory } from '@sessionkit/backend-memory';
import type { SessionId, SessionRecord, Touch } from '@sessionkit/session-core';
import { TestClock } from '@sessionkit/testkit';
import { describe, expect, test } from 'vitest';
import { Browser, request, visit, world, wrap } from './harness.js';
import { gate, idOf, operator, type Rig, recordOf, rig, stored, turns } from './rig.js';

/** Clients that have a session each. */
async function clients(service: Rig['service'], count: number): Promise<Browser[]> {
  const browsers = Array.from({ length: count }, () => new Browser(service));
  for (const browser of browsers) await browser.visit();
  return browsers;
}

/** Notes every batch of touches from now on. */
function noteTouches({ real, broken }: Rig): (readonly Touch[])[] {
  const batches: (readonly Touch[])[] = [];
  broken.touch = (batch: readonly Touch[], signal: AbortSignal) => {
    batches.push(batch);
    return real.touch(batch, signal);
  };
  return batches;
}

describe('loads', () => {
  test('of one turn of the event loop go in one call, each id once', async () => {
    const { service, real, broken } = rig();
    const browsers = await clients(service, 20);
    const asked: (readonly SessionId[])[] = [];
    broken.load = (ids: readonly SessionId[], signal: AbortSignal) => {
      asked.push(ids);
      return real.load(ids, signal);
    };
    const answers = await Promise.all([...browsers, ...browsers].map((browser) => browser.visit()));
    expect(answers.map(({ visit: { session } }) => session.id)).toEqual(
      [...browsers, ...browsers].map((browser) => idOf(browser)),
    );
    expect(asked.map((ids) => [...ids].sort())).toEqual([browsers.map((browser) => idOf(browser)).sort()]);
  });

  test('that are under way are not joined by later requests, which must see what was acknowledged since', async () => {
    const { service, real, broken, manager } = rig();
    const browser = new Browser(service);
    await browser.visit();
    const answering = gate();
    broken.load = async (ids: readonly SessionId[], signal: AbortSignal) => {
      delete broken.load;
      const records = await real.load(ids, signal);
      await answering.passed;
      return records;
    };
    const parts = { headers: { cookie: browser.cookie } };
    const early = visit(service, parts);
    await turns();
    expect(await manager.end(idOf(browser), operator)).toBe(true);
    const late = visit(service, parts);
    await turns();
    answering.open();
    expect((await early).status).toBe(200);
    expect(await late).toMatchObject({ status: 401, refusal: { code: 'session_ended' } });
  });
});

describe('touches', () => {
  test('are written once a second, all in one batch, and only those of sessions that were used', async () => {
    const made = rig();
    const browsers = await clients(made.service, 10);
    await made.clock.advance(1_000);
    const batches = noteTouches(made);
    await made.clock.advance(5_000);
    expect(batches).toEqual([]);
    for (let i = 0; i < 3; i++) for (const browser of browsers.slice(0, 7)) await browser.visit();
    await made.clock.advance(999);
    expect(batches).toEqual([]);
    await made.clock.advance(1);
    expect(batches.map((batch) => batch.map(({ id }) => id))).toEqual([
      browsers
        .slice(0, 7)
        .map((browser) => idOf(browser))
        .sort(),
    ]);
    await made.clock.advance(5_000);
    expect(batches).toHaveLength(1);
  });

  test('go in chunks of at most 500, each sorted by id, in the order in which the sessions were first used', async () => {
    const made = rig();
    const browsers = await clients(made.service, 1_200);
    await made.manager.flush();
    const batches = noteTouches(made);
    const backwards = [...browsers].reverse();
    for (const browser of backwards) await browser.visit();
    await made.manager.flush();
    expect(batches.map(({ length }) => length)).toEqual([500, 500, 200]);
    for (const [i, batch] of batches.entries()) {
      const ids = batch.map(({ id }) => id);
      const expected = backwards.slice(i * 500, i * 500 + 500).map((browser) => idOf(browser));
      expect(ids).toEqual(expected.sort());
    }
  });
});

describe('the sweep', () => {
  test('removes only what has been dead for five minutes', async () => {
    const { service, real, clock } = rig({ idleTimeout: 60_000 });
    const [dead, alive] = await clients(service, 2);
    if (dead === undefined || alive === undefined) throw new Error('no clients');
    // Dead since the end of the first minute; the sweep comes every minute.
    for (let minute = 1; minute <= 6; minute++) {
      await clock.advance(30_000);
      await alive.visit();
      await clock.advance(30_000);
      await alive.visit();
    }
    expect(await stored(real, idOf(dead))).toBeDefined();
    await clock.advance(30_000);
    await alive.visit();
    await clock.advance(30_000);
    expect(await stored(real, idOf(dead))).toBeUndefined();
    expect(await stored(real, idOf(alive))).toBeDefined();
  });

  test('asks for what died five minutes ago by the clock of the store, and stops when fewer than asked come back', async () => {
    const { broken, clock, environment } = rig();
    const asked: { before: number; limit: number }[] = [];
    const found = [500, 500, 499, 500, 0];
    broken.sweep = (before: number, limit: number) => {
      asked.push({ before: clock.now() - before, limit });
      const ids = Array.from({ length: found.shift() ?? 0 }, (_, i) => `s${i}`);
      return Promise.resolve(ids);
    };
    environment.skew = 600_000;
    await clock.advance(60_000);
    await turns();
    expect(asked).toEqual(Array.from({ length: 3 }, () => ({ before: 300_000, limit: 500 })));
    asked.length = 0;
    await clock.advance(60_000);
    await turns();
    expect(asked).toHaveLength(2);
  });
});

describe('an answer of touch that calls a session dead', () => {
  const open = async ({ service }: Rig, browser: Browser) =>
    (await service.open(request({ headers: { cookie: browser.cookie } }))).session.signal;

  test('closes nothing when it is wrong, because core asks by a load', async () => {
    const made = rig();
    const browser = new Browser(made.service);
    await browser.visit();
    const signal = await open(made, browser);
    let loads = 0;
    made.broken.load = (ids: readonly SessionId[], given: AbortSignal) => {
      loads += ids.length;
      return made.real.load(ids, given);
    };
    made.broken.touch = (batch: readonly Touch[]) => Promise.resolve(batch.map(({ id }) => id));
    await made.clock.advance(6_000);
    expect(loads).toBeGreaterThan(0);
    expect(signal.aborted).toBe(false);
    expect((await recordOf(made.real, idOf(browser))).ended).toBeUndefined();
    expect((await browser.visit()).status).toBe(200);
  });

  test('closes nothing when the load fails', async () => {
    const made = rig();
    const browser = new Browser(made.service);
    await browser.visit();
    const signal = await open(made, browser);
    made.broken.touch = (batch: readonly Touch[]) => Promise.resolve(batch.map(({ id }) => id));
    made.broken.load = () => Promise.reject(new Error('broken'));
    await made.clock.advance(6_000);
    expect(signal.aborted).toBe(false);
  });

  test('closes the session when it is right', async () => {
    const clock = new TestClock();
    const real = memory({ now: () => clock.now() });
    const { service, manager } = world(
      { backend: wrap(real, { watch: () => Promise.reject(new Error('deaf')) }) },
      { clock },
    );
    const other = world({ backend: real.share() }, { clock });
    const browser = new Browser(service);
    await browser.visit();
    const { signal } = (await service.open(request({ headers: { cookie: browser.cookie } }))).session;
    expect(await other.manager.end(idOf(browser), operator)).toBe(true);
    await clock.advance(0);
    expect(signal.aborted).toBe(false);
    await clock.advance(6_000);
    expect(signal.aborted).toBe(true);
    await manager.close();
  });
});

test('a save carries the last use that is known, so that it needs no touch of its own', async () => {
  const { service, real, broken, clock } = rig();
  const browser = new Browser(service);
  await browser.visit();
  await clock.advance(500_400);
  const saved: SessionRecord[] = [];
  broken.save = (record: SessionRecord, signal: AbortSignal) => {
    saved.push(record);
    return real.save(record, signal);
  };
  await browser.visit((session) => session.set('a', 1));
  expect(saved.map(({ seenAt }) => seenAt)).toEqual([clock.now()]);
});
