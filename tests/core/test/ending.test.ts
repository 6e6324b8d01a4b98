import type { memory } from '@sessionkit/backend-memory';
import { createSessionManager, type SessionEnded, SessionError } from '@sessionkit/session-core';
import { testEnvironment } from '@sessionkit/testkit';
import { cookie } from '@sessionkit/transport-cookie';
import { describe, expect, test } from 'vitest';
import { Browser, field, request, visit, world, wrap } from './harness.js';

const operator = { name: 'olga' };

describe('time', () => {
  test('ends a session at start plus duration, whatever use it sees; nothing is revived', async () => {
    const { service, clock, manager } = world({ duration: 3_600_000, idleTimeout: 900_000 });
    const browser = new Browser(service);
    await browser.visit();
    for (let i = 0; i < 5; i++) {
      await clock.advance(700_000);
      expect((await browser.visit()).status).toBe(200);
    }
    await clock.advance(100_000);
    const dead = await browser.visit();
    expect(dead).toMatchObject({ status: 401, refusal: { code: 'session_expired' } });
    expect(field(dead.fields, 'set-cookie')).toContain('Max-Age=0');
    expect(await manager.list()).toMatchObject({ items: [] });
  });

  test('ends a session that goes unused', async () => {
    const { service, clock } = world({ idleTimeout: 900_000 });
    const browser = new Browser(service);
    await browser.visit();
    await clock.advance(900_000);
    expect(await browser.visit()).toMatchObject({ status: 401, refusal: { code: 'session_expired' } });
  });

  test('gives anonymous sessions in which nothing was set less of it', async () => {
    const { service, clock } = world({ idleTimeout: 900_000, anonymousIdle: 60_000 });
    const [empty, used, known] = [new Browser(service), new Browser(service), new Browser(service)];
    await empty.visit();
    await used.visit((session) => session.set('a', 1));
    await known.visit((session) => session.login('ann'));
    await clock.advance(60_000);
    expect((await empty.visit()).status).toBe(401);
    expect((await used.visit()).status).toBe(200);
    expect((await known.visit()).status).toBe(200);
  });

  test('is written to the store in batches: nothing on the request path', async () => {
    const { service, clock, manager } = world();
    const browser = new Browser(service);
    const first = await browser.visit();
    await clock.advance(500_000);
    await browser.visit();
    const id = first.visit.session.id;
    const seen = (await manager.list()).items[0];
    expect(seen).toMatchObject({ id, seenAt: clock.now(), version: 1 });
    await clock.advance(1_000);
    expect((await manager.list()).items[0]?.version).toBe(1);
  });

  test('renews the cookie when a rolling end has moved by a tenth', async () => {
    const { service, clock } = world({ duration: 36_000_000, idleTimeout: 900_000 });
    const browser = new Browser(service);
    await browser.visit();
    await clock.advance(60_000);
    expect((await browser.visit()).fields).toEqual([]);
    await clock.advance(60_000);
    const renewed = await browser.visit();
    expect(field(renewed.fields, 'set-cookie')).toContain('Max-Age=900');
    expect(field(renewed.fields, 'cache-control')).toBe('no-store');
    await clock.advance(1_000);
    expect((await browser.visit()).fields).toEqual([]);
  });

  test.each([-600_000, 600_000])(
    'is judged by the clock of the store when a process is %d ms off',
    async (skew) => {
      const base = world({ idleTimeout: 900_000 });
      const environment = testEnvironment({ clock: base.clock, skew });
      const store = base.backend as ReturnType<typeof memory>;
      const far = createSessionManager({ environment });
      const service = far.service('shop', {
        backend: store.share(),
        transports: [cookie()],
        autoCreate: true,
        idleTimeout: 900_000,
      });
      const browser = new Browser(base.service);
      await browser.visit();
      await base.clock.advance(890_000);
      expect((await visit(service, { headers: { cookie: browser.cookie } })).status).toBe(200);
      await base.clock.advance(900_000);
      expect((await visit(service, { headers: { cookie: browser.cookie } })).status).toBe(401);
      expect(
        environment.entries.some(({ level, message }) => level === 'warning' && message.includes('clock')),
      ).toBe(true);
      expect((await far.health())[0]).toMatchObject({ ok: false });
    },
  );
});

describe('ending', () => {
  test('by logout takes the cookie and leaves nothing alive', async () => {
    const { service, manager } = world();
    const browser = new Browser(service);
    await browser.visit((session) => session.set('a', 1));
    const old = { headers: { cookie: browser.cookie } };
    const answer = await browser.visit(async (session) => {
      session.set('b', 1);
      await session.logout();
      expect(session.id).toBeUndefined();
    });
    expect(field(answer.fields, 'set-cookie')).toContain('Max-Age=0');
    expect(await visit(service, old)).toMatchObject({ status: 401, refusal: { code: 'session_ended' } });
    expect((await manager.list({ state: 'ended' })).items).toMatchObject([{ cause: 'logout' }]);
    expect(await manager.count()).toBe(0);
  });

  test('by an operator refuses the next visit once, and the one after is a new session', async () => {
    const { service, manager } = world();
    const browser = new Browser(service);
    const first = await browser.visit();
    const id = first.visit.session.id;
    if (id === undefined) throw new Error('no session');
    expect(await manager.end(id, operator)).toBe(true);
    expect(await manager.end(id, operator)).toBe(false);
    expect(await browser.visit()).toMatchObject({ status: 401, refusal: { code: 'session_ended' } });
    const next = await browser.visit();
    expect(next.status).toBe(200);
    expect(next.visit.session.id).not.toBe(id);
  });

  test('with on_dead renew goes on with a new session and says why', async () => {
    const { service, manager } = world({ onDead: 'renew' });
    const browser = new Browser(service);
    const first = await browser.visit();
    if (first.visit.session.id !== undefined) await manager.end(first.visit.session.id, operator);
    const renewed = await browser.visit();
    expect(renewed.status).toBe(200);
    expect(field(renewed.fields, 'session-ended')).toBe('killed');
    expect(renewed.visit.session.id).not.toBe(first.visit.session.id);
    expect(browser.token?.startsWith(String(renewed.visit.session.id))).toBe(true);
  });

  test('while a slow request runs is not undone by its changes, touches or login', async () => {
    const { service, manager, clock } = world();
    const browser = new Browser(service);
    const first = await browser.visit();
    const id = first.visit.session.id;
    if (id === undefined) throw new Error('no session');
    const slow = await browser.visit(async (session) => {
      await manager.end(id, operator);
      session.set('a', 1);
    });
    expect(slow).toMatchObject({ status: 409, refusal: { code: 'conflict' } });
    await clock.advance(2_000);
    expect(await manager.get(id)).toBeUndefined();
    expect(await manager.alter(id, { parameters: { log_info: true } }, operator)).toBe(false);
  });

  test('later, with a ttl: never later than said first, and cleared by nothing', async () => {
    const { service, manager, clock } = world();
    const browser = new Browser(service);
    const first = await browser.visit();
    const id = first.visit.session.id;
    if (id === undefined) throw new Error('no session');
    expect(await manager.end(id, operator, 60_000)).toBe(true);
    expect(await manager.end(id, operator, 600_000)).toBe(true);
    await browser.visit((session) => session.login('ann'));
    await clock.advance(59_000);
    expect((await browser.visit()).status).toBe(200);
    await clock.advance(1_000);
    expect(await browser.visit()).toMatchObject({ status: 401, refusal: { code: 'session_ended' } });
  });

  test('aborts session.signal of every visit that holds the session, in every process', async () => {
    const { service, manager, clock, backend } = world();
    const other = createSessionManager({ environment: testEnvironment({ clock }) });
    const far = other.service('shop', {
      backend: (backend as ReturnType<typeof memory>).share(),
      transports: [cookie()],
    });
    const browser = new Browser(service);
    const first = await browser.visit();
    const held = [service, far].map((each) => each.open(request({ headers: { cookie: browser.cookie } })));
    const signals = (await Promise.all(held)).map(({ session }) => session.signal);
    if (first.visit.session.id !== undefined) await manager.end(first.visit.session.id, operator);
    await clock.advance(0);
    await clock.advance(0);
    for (const signal of signals) {
      expect(signal.aborted).toBe(true);
      expect((signal.reason as SessionEnded).endCause).toBe('killed');
    }
  });

  test('is told by the heartbeat within 6 s where the store gives no notice', async () => {
    const { service, manager, clock, backend } = world();
    const deaf = createSessionManager({ environment: testEnvironment({ clock }) });
    const far = deaf.service('shop', {
      backend: wrap((backend as ReturnType<typeof memory>).share(), { watch: undefined }),
      transports: [cookie()],
    });
    const browser = new Browser(service);
    const first = await browser.visit();
    const { signal } = (await far.open(request({ headers: { cookie: browser.cookie } }))).session;
    if (first.visit.session.id !== undefined) await manager.end(first.visit.session.id, operator);
    await clock.advance(0);
    expect(signal.aborted).toBe(false);
    await clock.advance(6_000);
    await clock.advance(0);
    expect(signal.aborted).toBe(true);
  });

  test('a login aborts the signals of all other visits of the id, not its own', async () => {
    const { service, clock } = world();
    const browser = new Browser(service);
    await browser.visit();
    const parts = request({ headers: { cookie: browser.cookie } });
    const [mine, other] = [await service.open(parts), await service.open(parts)];
    const [own, others] = [mine.session.signal, other.session.signal];
    await mine.session.login('ann');
    await clock.advance(0);
    expect(others.aborted).toBe(true);
    expect(own.aborted).toBe(false);
  });

  test('by time aborts the signal so soon that there is time within a second to ask the store', async () => {
    const { service, clock } = world({ idleTimeout: 60_000 });
    await clock.advance(100);
    const browser = new Browser(service);
    await browser.visit();
    const held = await service.open(request({ headers: { cookie: browser.cookie } }));
    const { signal } = held.session;
    await clock.advance(59_900);
    expect(signal.aborted).toBe(false);
    await clock.advance(600);
    await clock.advance(0);
    expect(signal.aborted).toBe(true);
  });
});

describe('operators', () => {
  test('list, count and see sessions without data or hashes', async () => {
    const { service, manager } = world();
    const browsers = Array.from({ length: 5 }, () => new Browser(service));
    for (const [i, browser] of browsers.entries()) {
      await browser.visit((session) => session.set('private', `text ${i}`));
      if (i % 2 === 0) await browser.visit((session) => session.login('ann'));
    }
    expect(await manager.count()).toBe(5);
    expect(await manager.count({ user: 'ann' })).toBe(3);
    const page = await manager.list({ limit: 2 });
    expect(page.items).toHaveLength(2);
    const rest = await manager.list({ after: page.next });
    const ids = [...page.items, ...rest.items].map(({ id }) => id);
    expect(ids).toEqual([...ids].sort());
    expect(new Set(ids).size).toBe(5);
    const text = JSON.stringify([page, rest]);
    expect(text).not.toContain('private');
    expect(text).not.toContain('ecretHash');
    expect(text).not.toContain('writes');
  });

  test('change log levels, which survive everything else', async () => {
    const { service, manager } = world();
    const browser = new Browser(service);
    const first = await browser.visit();
    const id = first.visit.session.id;
    if (id === undefined) throw new Error('no session');
    expect(await manager.alter(id, { parameters: { log_info: true } }, operator)).toBe(true);
    expect(await manager.alter(id, { parameters: { log_error: false } }, operator)).toBe(true);
    await browser.visit((session) => session.login('ann'));
    expect((await manager.get(id))?.parameters).toEqual({ log_info: true, log_error: false });
  });
});

describe('services', () => {
  test('say every problem of their options at once', () => {
    const { manager, backend } = world();
    const bad = () =>
      manager.service('bad', {
        backend,
        duration: -1,
        idleTimeout: Number.NaN,
        maxData: 0.5,
        paths: [{ prefix: 'x', session: 'optional' }],
        allowOrigins: ['example.com/'],
      });
    expect(bad).toThrow(SessionError);
    expect(bad).toThrow(
      /duration .*; idleTimeout .*; maxData .*; paths: the prefix "x" must begin with \/; allowOrigins: .*; transports/,
    );
  });

  test('of one backend must not use one cookie name unless they share', () => {
    const { manager, backend } = world();
    expect(() => manager.service('b', { backend, transports: [cookie()] })).toThrow(/different cookie names/);
    expect(() => manager.service('shop', { backend, transports: [cookie()] })).toThrow(/already/);
    expect(() =>
      manager.service('c', { backend, transports: [cookie({ name: 'c' })], share: 'shop' }),
    ).toThrow(/rename/);
    manager.service('d', { backend, transports: [cookie({ name: 'd' })] });
  });

  test('leave no timer behind when closed', async () => {
    const { manager, clock, service } = world();
    await visit(service);
    await manager.close();
    expect(clock.running).toBe(0);
    expect(
      await visit(service, {
        headers: { cookie: `sxapi-sess=s01jzzzzzzz0000000000000000.${'A'.repeat(43)}` },
      }),
    ).toMatchObject({
      status: 503,
      refusal: { code: 'store_unavailable' },
    });
  });
});
