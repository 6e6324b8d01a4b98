import { memory } from '@sessionkit/backend-memory';
import { createSessionManager, type SessionEnded } from '@sessionkit/session-core';
import { TestClock, testEnvironment } from '@sessionkit/testkit';
import { cookie } from '@sessionkit/transport-cookie';
import { describe, expect, test } from 'vitest';
import { Browser, field, request, visit, world, wrap } from './harness.js';
import { idOf, operator, recordOf, rig, stored, turns } from './rig.js';

const COOKIE = 'sxapi-sess';

describe('a session that is found dead by time', () => {
  const ways = [
    { cause: 'idle', options: { idleTimeout: 60_000, duration: 3_600_000 }, ttl: undefined },
    { cause: 'duration', options: { duration: 60_000 }, ttl: undefined },
    { cause: 'killed', options: { duration: 3_600_000 }, ttl: 60_000 },
  ];
  test.each(ways)(
    'is ended as $cause two flush intervals later, and not before',
    async ({ cause, options, ttl }) => {
      const { service, real, clock, manager } = rig({ ...options, keepEnded: 7_200_000 });
      const browser = new Browser(service);
      await browser.visit();
      const id = idOf(browser);
      const token = { headers: { cookie: browser.cookie } };
      if (ttl !== undefined) await manager.end(id, operator, ttl);
      const code = cause === 'killed' ? 'session_ended' : 'session_expired';
      await clock.advance(61_999);
      expect(await visit(service, token)).toMatchObject({ status: 401, refusal: { code } });
      await turns();
      expect((await recordOf(real, id)).ended).toBeUndefined();
      await clock.advance(1);
      expect(await visit(service, token)).toMatchObject({ status: 401, refusal: { code } });
      await turns();
      const { ended } = await recordOf(real, id);
      expect(ended).toMatchObject({ cause, at: clock.now() });
      expect((await manager.list({ state: 'ended' })).items).toMatchObject([{ id, cause }]);
    },
  );

  test('waits as many flush intervals as its manager has', async () => {
    const { service, real, clock } = rig({ duration: 60_000 }, { flushInterval: 4_000 });
    const browser = new Browser(service);
    await browser.visit();
    const token = { headers: { cookie: browser.cookie } };
    await clock.advance(67_999);
    await visit(service, token);
    await turns();
    expect((await recordOf(real, idOf(browser))).ended).toBeUndefined();
    const id = idOf(browser);
    await clock.advance(1);
    await visit(service, token);
    await turns();
    expect((await recordOf(real, id)).ended).toMatchObject({ cause: 'duration' });
  });

  test('tells who holds it open with the same cause', async () => {
    const { service, clock } = rig({ duration: 60_000 });
    const browser = new Browser(service);
    await browser.visit();
    const { signal } = (await service.open(request({ headers: { cookie: browser.cookie } }))).session;
    await clock.advance(61_000);
    expect((signal.reason as SessionEnded).endCause).toBe('duration');
  });
});

test('the token of a session that was swept away is session_invalid, and its cookie is cleared', async () => {
  const { service, real, clock, manager } = rig({ keepEnded: 60_000 });
  const browser = new Browser(service);
  await browser.visit();
  const id = idOf(browser);
  const token = { headers: { cookie: browser.cookie } };
  await manager.end(id, operator);
  await clock.advance(59_000);
  expect(await visit(service, token)).toMatchObject({ status: 401, refusal: { code: 'session_ended' } });
  await clock.advance(480_000);
  expect(await stored(real, id)).toBeUndefined();
  const answer = await visit(service, token);
  expect(answer).toMatchObject({ status: 401, refusal: { code: 'session_invalid' } });
  expect(field(answer.fields, 'set-cookie')).toMatch(new RegExp(`^${COOKIE}=; Max-Age=0;`));
  expect(field(answer.fields, 'cache-control')).toBe('no-store');
});

test.each([-600_000, 0, 600_000])(
  'a store without a clock is served by the time of the process, here %d ms off',
  async (skew) => {
    const clock = new TestClock();
    const real = memory({ now: () => clock.now() });
    const environment = testEnvironment({ clock, skew });
    const manager = createSessionManager({ environment });
    const service = manager.service('shop', {
      backend: wrap(real, { now: () => Promise.resolve(undefined) }),
      transports: [cookie()],
      autoCreate: true,
      duration: 60_000,
    });
    const browser = new Browser(service);
    await clock.advance(60_000);
    await browser.visit();
    expect((await recordOf(real, idOf(browser))).startedAt).toBe(clock.now() + skew);
    await clock.advance(59_999);
    expect((await browser.visit()).status).toBe(200);
    await clock.advance(1);
    expect((await browser.visit()).status).toBe(401);
    expect(environment.entries).toEqual([]);
    expect((await manager.health())[0]).toMatchObject({ ok: true, reason: undefined });
  },
);

describe('on_dead renew', () => {
  const login = '/login';
  const html = { accept: 'text/html' };

  /** A client whose session an operator has ended. */
  async function ended(options: Parameters<typeof rig>[0]) {
    const made = rig({ onDead: 'renew', ...options });
    const browser = new Browser(made.service);
    await browser.visit((session) => session.login('ann'), { path: login });
    await made.manager.end(idOf(browser), operator);
    return { ...made, browser };
  }

  test.each([
    { headers: html, status: 302, location: login },
    { headers: { accept: 'application/json' }, status: 401, location: undefined },
  ])('on a required path answers $status to $headers.accept, clears the token and says why', async (row) => {
    const { browser, manager } = await ended({
      autoCreate: false,
      session: 'required',
      paths: [{ prefix: login, session: 'optional' }],
      loginUrl: login,
    });
    const answer = await browser.visit(undefined, { headers: row.headers });
    expect(answer).toMatchObject({ status: row.status, refusal: { code: 'session_required' } });
    expect(field(answer.fields, 'location')).toBe(row.location);
    expect(field(answer.fields, 'session-ended')).toBe('killed');
    expect(field(answer.fields, 'cache-control')).toBe('no-store');
    expect(browser.jar.size).toBe(0);
    expect(await manager.count()).toBe(0);
  });

  test('creates nothing for an answer that caches may share, but clears the token and says why', async () => {
    const { browser, manager } = await ended({});
    const answer = await browser.visit(undefined, {}, { cacheControl: 'public, max-age=60' });
    expect(answer.status).toBe(200);
    expect(field(answer.fields, 'session-ended')).toBe('killed');
    expect(field(answer.fields, 'cache-control')).toBe('no-store');
    expect(field(answer.fields, 'vary')).toBe('Cookie');
    expect(browser.jar.size).toBe(0);
    expect(await manager.count()).toBe(0);
  });

  test('creates nothing without auto_create on an optional path, but clears the token and says why', async () => {
    const { browser, manager } = await ended({ autoCreate: false });
    const answer = await browser.visit();
    expect(answer.status).toBe(200);
    expect(field(answer.fields, 'session-ended')).toBe('killed');
    expect(browser.jar.size).toBe(0);
    expect(await manager.count()).toBe(0);
  });

  test('has a login answer with its token, and says why beside it', async () => {
    const { browser } = await ended({ autoCreate: false });
    const answer = await browser.visit((session) => session.login('ann'));
    expect(field(answer.fields, 'session-ended')).toBe('killed');
    await browser.look((session) => expect(session.user).toBe('ann'));
  });

  test('does not renew what a login superseded a moment ago: nothing is opened, created or said', async () => {
    const { service, manager, clock } = world({ onDead: 'renew' });
    const browser = new Browser(service);
    await browser.visit();
    const old = { headers: { cookie: browser.cookie } };
    await browser.visit((session) => session.login('ann'));
    await clock.advance(59_999);
    const early = await visit(service, old, (session) => {
      expect(session.id).toBeUndefined();
      expect(() => session.set('a', 1)).toThrow(
        expect.objectContaining({ clientCode: 'session_superseded' }),
      );
    });
    expect(early).toMatchObject({ status: 200, fields: [] });
    expect(await manager.count()).toBe(1);
    await clock.advance(1);
    const late = await visit(service, old);
    expect(late.status).toBe(200);
    expect(late.visit.session.id).toBeDefined();
    expect(field(late.fields, 'set-cookie')).toContain(String(late.visit.session.id));
    // Who does not show the right secret is told nothing of the session.
    expect(field(late.fields, 'session-ended')).toBeUndefined();
    expect(await manager.count()).toBe(2);
  });
});
