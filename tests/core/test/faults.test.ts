import { memory } from '@sessionkit/backend-memory';
import {
  type Backend,
  createSessionManager,
  SessionError,
  type SessionRecord,
} from '@sessionkit/session-core';
import { TestClock, testEnvironment } from '@sessionkit/testkit';
import { cookie } from '@sessionkit/transport-cookie';
import { describe, expect, test } from 'vitest';
import { Browser, field, visit, world, wrap } from './harness.js';

const down = () => Promise.reject(new SessionError('BACKEND_DOWN', 'refused', { retryable: true }));
const silent = () => new Promise<never>(() => undefined);

/** A store whose verbs can be broken while a test runs. */
function breakable(): { backend: Backend; broken: Record<string, unknown>; clock: TestClock } {
  const clock = new TestClock();
  const real = memory({ now: () => clock.now() });
  const broken: Record<string, unknown> = {};
  return { backend: wrap(real, broken), broken, clock };
}

describe('a store that is down', () => {
  test('answers 503 to those who show a token, and clears nothing', async () => {
    const { backend, broken, clock } = breakable();
    const { service } = world({ backend }, { clock });
    const browser = new Browser(service);
    await browser.visit((session) => session.set('a', 1));
    Object.assign(broken, { load: down });
    const answer = await browser.visit();
    expect(answer).toMatchObject({ status: 503, refusal: { code: 'store_unavailable' } });
    expect(field(answer.fields, 'set-cookie')).toBeUndefined();
    expect(field(answer.fields, 'retry-after')).toBe('1');
    broken.load = undefined;
    delete broken.load;
    await browser.look((session) => expect(session.get('a')).toBe(1));
  });

  test('is logged once when it goes and once when it is back', async () => {
    const { backend, broken, clock } = breakable();
    const { service, environment } = world({ backend }, { clock });
    const browser = new Browser(service);
    await browser.visit();
    Object.assign(broken, { load: down });
    for (let i = 0; i < 5; i++) await browser.visit();
    delete broken.load;
    await browser.visit();
    await browser.visit();
    expect(environment.entries.map(({ level, message }) => `${level} ${message}`)).toEqual([
      'error memory: does not answer',
      'notice memory: answers again',
    ]);
  });

  test('at the start answers 503, and all is well once it is there', async () => {
    const { backend, broken, clock } = breakable();
    Object.assign(broken, { now: down, load: down });
    const { service } = world({ backend }, { clock });
    const browser = new Browser(service);
    browser.jar.set('sxapi-sess', `s01jzzzzzzz0000000000000000.${'A'.repeat(43)}`);
    expect((await browser.visit()).status).toBe(503);
    delete broken.now;
    delete broken.load;
    expect((await browser.visit()).status).toBe(401);
  });

  test('that says nothing is given up at the deadline, its signal aborts and a late answer is ignored', async () => {
    const { backend, broken, clock } = breakable();
    const { service } = world({ backend }, { clock, deadline: 300 });
    const browser = new Browser(service);
    await browser.visit();
    let signal: AbortSignal | undefined;
    Object.assign(broken, {
      load: (_ids: unknown, given: AbortSignal) => {
        signal = given;
        return silent();
      },
    });
    const started = performance.now();
    const answers = await Promise.all(Array.from({ length: 20 }, () => browser.visit()));
    const took = performance.now() - started;
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
    expect(took).toBeGreaterThan(290);
    expect(took).toBeLessThan(5_500);
    expect(signal?.aborted).toBe(true);
  });

  test('that says nothing to a save is not asked again for those that wait behind it: they are answered with it', async () => {
    const { backend, broken, clock } = breakable();
    const { service } = world({ backend }, { clock, deadline: 300 });
    const browser = new Browser(service);
    await browser.visit();
    let saves = 0;
    Object.assign(broken, {
      save: () => {
        saves += 1;
        return silent();
      },
    });
    const add = () => browser.visit((session) => session.update<number>('n', (n = 0) => n + 1));
    const started = performance.now();
    const first = add();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const answers = await Promise.all([first, add(), add()]);
    const took = performance.now() - started;
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503]);
    expect(saves).toBe(1);
    expect(took).toBeLessThan(599);
    delete broken.save;
    await add();
    await browser.look((session) => expect(session.get('n')).toBe(1));
  });

  test('keeps the touches for when it is back', async () => {
    const { backend, broken, clock } = breakable();
    const { service } = world({ backend, idleTimeout: 60_000 }, { clock });
    const other = createSessionManager({ environment: testEnvironment({ clock }) });
    const far = other.service('shop', { backend, transports: [cookie()], idleTimeout: 60_000 });
    const browser = new Browser(service);
    await browser.visit();
    await clock.advance(50_000);
    await browser.visit();
    Object.assign(broken, { touch: down });
    await clock.advance(5_000);
    delete broken.touch;
    await clock.advance(2_000);
    await clock.advance(30_000);
    expect((await visit(far, { headers: { cookie: browser.cookie } })).status).toBe(200);
  });

  test('never loads a whole batch as failed for one corrupt record', async () => {
    const { backend, broken, clock } = breakable();
    const { service, environment } = world({ backend }, { clock });
    const [good, bad] = [new Browser(service), new Browser(service)];
    await good.visit();
    await bad.visit();
    const id = bad.token?.split('.')[0];
    const load = backend.load.bind(backend);
    Object.assign(broken, {
      load: async (ids: readonly SessionRecord['id'][], signal: AbortSignal) =>
        (await load(ids, signal)).map((record, i) =>
          ids[i] === id ? new SessionError('RECORD_CORRUPT', 'not JSON') : record,
        ),
    });
    const [first, second] = await Promise.all([good.visit(), bad.visit()]);
    expect(first.status).toBe(200);
    expect(second).toMatchObject({ status: 503, refusal: { code: 'store_unavailable' } });
    expect(environment.entries).toMatchObject([
      { level: 'warning', service: 'shop', session: id, error: { code: 'RECORD_CORRUPT' } },
    ]);
  });
});

describe('a store that refuses every load', () => {
  test('says so once a minute, whoever is refused', async () => {
    const { backend, broken, clock } = breakable();
    const { service, environment } = world({ backend }, { clock });
    const browsers = [new Browser(service), new Browser(service)];
    for (const browser of browsers) await browser.visit();
    const error = new SessionError('BACKEND_FAILED', 'permission denied');
    broken.load = () => Promise.reject(error);
    for (const browser of browsers) expect((await browser.visit()).status).toBe(503);
    expect(environment.entries).toEqual([
      { level: 'warning', message: 'memory: opening a session failed', error, service: 'shop' },
    ]);
  });

  test('says so before it was ever served from', async () => {
    const { backend, broken, clock } = breakable();
    broken.now = () => Promise.reject(new Error('no such table'));
    const { service, environment } = world({ backend }, { clock });
    expect((await visit(service)).status).toBe(503);
    expect(environment.entries).toMatchObject([
      { message: 'memory: opening a session failed', error: { code: 'BACKEND_FAILED' } },
    ]);
  });
});

describe('a save of unknown outcome', () => {
  test('that did arrive is recognised by its write id and not applied twice', async () => {
    const { backend, broken, clock } = breakable();
    const { service } = world({ backend }, { clock });
    const browser = new Browser(service);
    await browser.visit();
    const save = backend.save.bind(backend);
    let lost = 0;
    Object.assign(broken, {
      save: async (record: SessionRecord, signal: AbortSignal) => {
        const saved = await save(record, signal);
        if (lost++ === 0) throw new SessionError('BACKEND_DOWN', 'reply lost', { retryable: true });
        return saved;
      },
    });
    const answer = await browser.visit((session) => session.update<number>('n', (n = 0) => n + 1));
    expect(answer.status).toBe(200);
    expect(lost).toBe(2);
    await browser.look((session) => expect(session.get('n')).toBe(1));
  });

  test('that did not arrive, and lost the race meanwhile, is replayed over the newest record', async () => {
    const { backend, broken, clock } = breakable();
    const { service } = world({ backend }, { clock });
    const browser = new Browser(service);
    const made = await browser.visit();
    const id = made.visit.session.id;
    if (id === undefined) throw new Error('no session');
    const save = backend.save.bind(backend);
    let calls = 0;
    Object.assign(broken, {
      save: async (record: SessionRecord, signal: AbortSignal) => {
        if (calls++ > 0) return save(record, signal);
        const rival = {
          ...record,
          data: '{\n"other":1\n}',
          writes: [...record.writes.slice(0, -1), 'rival'],
        };
        await save(rival, signal);
        throw new SessionError('BACKEND_DOWN', 'cut', { retryable: true });
      },
    });
    await browser.visit((session) => session.set('mine', 1));
    await browser.look((session) => expect(session.all()).toEqual({ other: 1, mine: 1 }));
  });

  test('after which too much was written to tell is a fault, never a replay', async () => {
    const { backend, broken, clock } = breakable();
    const { service } = world({ backend }, { clock });
    const browser = new Browser(service);
    await browser.visit();
    const save = backend.save.bind(backend);
    let calls = 0;
    Object.assign(broken, {
      save: async (record: SessionRecord, signal: AbortSignal) => {
        if (calls++ > 0) return save(record, signal);
        let next = record;
        await save(next, signal);
        for (let i = 0; i < 16; i++) {
          next = { ...next, version: next.version + 1, writes: [...next.writes.slice(-15), `r${i}`] };
          await save(next, signal);
        }
        throw new SessionError('BACKEND_DOWN', 'cut', { retryable: true });
      },
    });
    const answer = await browser.visit((session) => session.update<number>('n', (n = 0) => n + 1));
    expect(answer).toMatchObject({ status: 503, refusal: { code: 'store_unavailable' } });
    delete broken.save;
    await browser.look((session) => expect(session.get('n')).toBe(1));
  });

  test('that was the first of its id is never repeated: the id is ended, the client gets 503 and no token', async () => {
    const { backend, broken, clock } = breakable();
    const { service, manager } = world({ backend }, { clock });
    const browser = new Browser(service);
    const save = backend.save.bind(backend);
    let calls = 0;
    Object.assign(broken, {
      save: async (record: SessionRecord, signal: AbortSignal) => {
        calls++;
        await save(record, signal);
        return down();
      },
    });
    const answer = await browser.visit((session) => session.set('a', 1));
    expect(answer.status).toBe(503);
    expect(field(answer.fields, 'set-cookie')).toBeUndefined();
    expect(calls).toBe(1);
    expect(await manager.count()).toBe(1);
    await clock.advance(1_000);
    await clock.advance(0);
    expect(await manager.count()).toBe(0);
  });
});

test('an id that is taken already is drawn anew', async () => {
  const clock = new TestClock();
  const environment = testEnvironment({ clock });
  let repeat = 3;
  const fixed = {
    ...environment,
    random: (bytes: number) =>
      bytes === 10 && repeat-- > 0 ? new Uint8Array(10) : environment.random(bytes),
  };
  const manager = createSessionManager({ environment: fixed });
  const service = manager.service('shop', {
    backend: memory({ now: () => clock.now() }),
    transports: [cookie()],
    autoCreate: true,
  });
  const answers = [await visit(service), await visit(service)];
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  const tokens = answers.map(({ fields }) => field(fields, 'set-cookie')?.split('.')[0]);
  expect(new Set(tokens).size).toBe(2);
  expect(answers[1]?.visit.session.id).toBe(tokens[1]?.slice('sxapi-sess='.length));
});

test('a store that is full answers 503 store_full to newcomers only', async () => {
  const clock = new TestClock();
  const { service } = world({ backend: memory({ now: () => clock.now(), maxSessions: 1 }) }, { clock });
  const browser = new Browser(service);
  await browser.visit();
  expect(await visit(service)).toMatchObject({ status: 503, refusal: { code: 'store_full' } });
  expect((await browser.visit((session) => session.set('a', 1))).status).toBe(200);
});

describe('limits per client address', () => {
  const limits = { creations: 3, failedTokens: 2 };

  test('answer 429 before the store is asked, and pass again after a minute', async () => {
    const { service, environment, clock } = world({ limits });
    for (let i = 0; i < 3; i++) expect((await visit(service)).status).toBe(200);
    const refused = await visit(service);
    expect(refused).toMatchObject({ status: 429, refusal: { code: 'too_many' } });
    expect(Number(field(refused.fields, 'retry-after'))).toBeGreaterThan(0);
    expect((await visit(service, { ip: '192.0.2.8' })).status).toBe(200);
    await clock.advance(60_000);
    expect((await visit(service)).status).toBe(200);
    expect(environment.entries).toEqual([]);
  });

  test('count IPv6 clients by their /64', async () => {
    const { service } = world({ limits });
    for (let i = 0; i < 3; i++) await visit(service, { ip: `2001:db8::${i}` });
    expect((await visit(service, { ip: '2001:0db8:0:0:ffff::1' })).status).toBe(429);
    expect((await visit(service, { ip: '2001:db8:0:1::1' })).status).toBe(200);
  });

  test('count tokens that were refused', async () => {
    const { service } = world({ limits });
    const headers = { cookie: 'sxapi-sess=rubbish' };
    for (let i = 0; i < 2; i++) expect((await visit(service, { headers })).status).toBe(401);
    expect((await visit(service, { headers })).status).toBe(429);
  });

  test('do not count a proxy that is not trusted, but say so once with the fix', async () => {
    const { service, environment } = world({ limits });
    for (let i = 0; i < 5; i++) {
      expect((await visit(service, { ip: '127.0.0.1', untrustedProxy: true })).status).toBe(200);
    }
    expect(environment.entries).toHaveLength(1);
    expect(environment.entries[0]?.message).toContain('trust_proxy: ["127.0.0.1"]');
  });
});
