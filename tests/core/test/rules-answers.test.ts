import type { HeaderField, Service, ServiceOptions } from '@sessionkit/session-core';
import { bearer } from '@sessionkit/transport-bearer';
import { cookie } from '@sessionkit/transport-cookie';
import { token } from '@sessionkit/transport-token';
import { describe, expect, test } from 'vitest';
import { Browser, field, type RequestParts, request, visit, world } from './harness.js';
import { idOf, operator } from './rig.js';

const asked = { status: 200, cacheControl: undefined };

/** A way for tokens to travel, and what an answer that hands one out must say. */
interface Way {
  readonly name: string;
  readonly transports: ServiceOptions['transports'];
  /** A request that shows a token. */
  shows(value: string): RequestParts;
  /** The token that an answer hands out. */
  issued(fields: readonly HeaderField[]): string | undefined;
  /** Browsers keep the token, so that dead ones are taken from them. */
  readonly clears: boolean;
  readonly vary: string | undefined;
  readonly expose: string | undefined;
  readonly referrer: string | undefined;
}

const inCookie = (fields: readonly HeaderField[]) =>
  /^sxapi-sess=([^;]+);/.exec(field(fields, 'set-cookie') ?? '')?.[1];
const byCookie = (value: string) => ({ headers: { cookie: `sxapi-sess=${value}` } });
const byParameter = (value: string) => ({ query: { _token: value } });
const byBearer = (value: string) => ({ headers: { authorization: `Bearer ${value}` } });
const inBearer = (fields: readonly HeaderField[]) =>
  /^Bearer (.+)$/.exec(field(fields, 'authorization') ?? '')?.[1];
const inToken = (fields: readonly HeaderField[]) => field(fields, 'session-token');

const asCookie = { shows: byCookie, issued: inCookie, clears: true, expose: undefined, referrer: undefined };
const asToken = {
  shows: byParameter,
  issued: inToken,
  clears: false,
  expose: 'Session-Token',
  referrer: 'no-referrer',
};
const asBearer = {
  shows: byBearer,
  issued: inBearer,
  clears: false,
  expose: 'Authorization',
  referrer: undefined,
};

const ways: readonly Way[] = [
  { name: 'cookie', transports: [cookie()], vary: 'Cookie', ...asCookie },
  { name: 'token', transports: [token()], vary: undefined, ...asToken },
  { name: 'bearer', transports: [bearer()], vary: 'Authorization', ...asBearer },
  {
    name: 'cookie before others',
    transports: [cookie(), token(), bearer()],
    vary: 'Cookie, Authorization',
    ...asCookie,
  },
  {
    name: 'token before others',
    transports: [token(), bearer(), cookie()],
    vary: 'Authorization, Cookie',
    ...asToken,
  },
  { name: 'bearer before others', transports: [bearer(), token()], vary: 'Authorization', ...asBearer },
];

describe.each(ways)('an answer by $name', (way) => {
  const all = (fields: readonly HeaderField[], name: string) =>
    fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);

  /** That it hands `way` a token, with all that must stand beside it; answers the token. */
  function expectIssued(fields: readonly HeaderField[]): string {
    expect(all(fields, 'cache-control')).toEqual(['no-store']);
    expect(all(fields, 'vary')).toEqual(way.vary === undefined ? [] : [way.vary]);
    expect(field(fields, 'access-control-expose-headers')).toBe(way.expose);
    expect(field(fields, 'referrer-policy')).toBe(way.referrer);
    const value = way.issued(fields);
    if (value === undefined) throw new Error('no token');
    return value;
  }

  function expectCleared(fields: readonly HeaderField[]): void {
    expect(way.issued(fields)).toBeUndefined();
    const taken = field(fields, 'set-cookie');
    if (!way.clears) {
      expect(taken).toBeUndefined();
      return;
    }
    expect(taken).toContain('Max-Age=0');
    expect(all(fields, 'cache-control')).toEqual(['no-store']);
    expect(all(fields, 'vary')).toEqual([way.vary]);
  }

  const begin = async (service: Service) => expectIssued((await visit(service)).fields);

  test("that hands out a new, a login's or a rotated token may not be kept by caches", async () => {
    const { service } = world({ transports: way.transports });
    const first = await begin(service);
    const rotated = expectIssued(
      (await visit(service, way.shows(first), (session) => session.rotate())).fields,
    );
    const public_ = { cacheControl: 'public, max-age=60' };
    const login = await visit(service, way.shows(rotated), (session) => session.login('ann'), public_);
    const last = expectIssued(login.fields);
    expect(new Set([first, rotated, last]).size).toBe(3);
    expect((await visit(service, way.shows(last))).visit.session.user).toBe('ann');
  });

  test('that renews what a browser keeps may not be kept by caches, and else says nothing', async () => {
    const { service, clock } = world({
      transports: way.transports,
      idleTimeout: 900_000,
      duration: 9_000_000,
    });
    const first = await begin(service);
    await clock.advance(100_000);
    const { fields } = await visit(service, way.shows(first));
    if (way.clears) expect(expectIssued(fields)).toBe(first);
    else expect(fields).toEqual([]);
  });

  test('that takes a token back may not be kept by caches', async () => {
    const { service, manager } = world({ transports: way.transports });
    const [left, killed] = [await begin(service), await begin(service)];
    expectCleared((await visit(service, way.shows(left), (session) => session.logout())).fields);
    const { visit: opened } = await visit(service, way.shows(killed));
    if (opened.session.id !== undefined) await manager.end(opened.session.id, operator);
    for (const dead of [left, killed]) {
      const refused = await visit(service, way.shows(dead));
      expect(refused).toMatchObject({ status: 401, refusal: { code: 'session_ended' } });
      expectCleared(refused.fields);
    }
  });

  test('that replaces a dead token hands out the new one the same way', async () => {
    const { service } = world({ transports: way.transports, onDead: 'renew' });
    const first = await begin(service);
    await visit(service, way.shows(first), (session) => session.logout());
    const { fields } = await visit(service, way.shows(first));
    expect(expectIssued(fields)).not.toBe(first);
    expect(field(fields, 'session-ended')).toBe('logout');
  });
});

test('the token of a rotation does not go out when a login came in between', async () => {
  const { service } = world();
  const browser = new Browser(service);
  await browser.visit();
  const slow = await service.open(request({ headers: { cookie: browser.cookie } }));
  expect(await slow.session.rotate()).toBe('rotated');
  await browser.visit((session) => session.login('ann'));
  const fields = await slow.finish(asked);
  expect(fields).toEqual([]);
  browser.receive(fields);
  await browser.look((session) => expect(session.user).toBe('ann'));
});

test('the token of a rotation does not go out when the session has ended in between', async () => {
  const { service, manager } = world();
  const browser = new Browser(service);
  await browser.visit();
  const slow = await service.open(request({ headers: { cookie: browser.cookie } }));
  await slow.session.rotate();
  await manager.end(idOf(browser), operator);
  expect(await slow.finish(asked)).toEqual([]);
});

describe('a verb that the handler does not await', () => {
  test('is waited for by the answer: login', async () => {
    const { service } = world({ autoCreate: false });
    const browser = new Browser(service);
    const answer = await browser.visit((session) => void session.login('ann'));
    expect(field(answer.fields, 'set-cookie')).toContain('sxapi-sess=s');
    await browser.look((session) => expect(session.user).toBe('ann'));
  });

  test('is waited for by the answer: rotate', async () => {
    const { service } = world();
    const browser = new Browser(service);
    await browser.visit();
    const old = browser.token;
    await browser.visit((session) => void session.rotate());
    expect(browser.token).not.toBe(old);
    expect((await browser.visit()).status).toBe(200);
  });

  test('is waited for by the answer: logout', async () => {
    const { service, manager } = world();
    const browser = new Browser(service);
    await browser.visit();
    const answer = await browser.visit((session) => void session.logout());
    expect(field(answer.fields, 'set-cookie')).toContain('Max-Age=0');
    expect(await manager.count()).toBe(0);
  });

  test('is waited for by the answer: commit, and all in the order in which they were asked for', async () => {
    const { service } = world();
    const browser = new Browser(service);
    await browser.visit((session) => {
      session.set('cart', 1);
      void session.commit();
      void session.login('ann', { keep: ['cart'] });
      void session.login('bob');
    });
    await browser.look((session) => {
      expect(session.user).toBe('bob');
      expect(session.all()).toEqual({});
    });
  });

  test('makes a reader pending as it begins, so that the answer asks for what is to be stored', async () => {
    const { service } = world({ autoCreate: false });
    const opened = await service.open(request());
    let told = 0;
    opened.onPending = () => told++;
    expect(opened.pending).toBe(false);
    const login = opened.session.login('ann');
    expect(opened.pending).toBe(true);
    expect(told).toBe(1);
    await login;
    expect(opened.pending).toBe(true);
    await opened.finish(asked);
    expect(opened.pending).toBe(false);
  });
});
