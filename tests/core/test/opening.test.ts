import { bearer } from '@sessionkit/transport-bearer';
import { cookie } from '@sessionkit/transport-cookie';
import { token } from '@sessionkit/transport-token';
import { describe, expect, test } from 'vitest';
import { Browser, field, visit, world } from './harness.js';

const COOKIE = 'sxapi-sess';

describe('a visit without a token', () => {
  test('creates a session with auto_create and hands its token out once', async () => {
    const { service } = world();
    const browser = new Browser(service);
    const first = await browser.visit();
    expect(field(first.fields, 'set-cookie')).toMatch(
      /^sxapi-sess=s[0-9a-z]{26}\.[\w-]{43}; Max-Age=3600; Path=\/; HttpOnly; SameSite=Lax$/,
    );
    expect(field(first.fields, 'cache-control')).toBe('no-store');
    expect(field(first.fields, 'vary')).toBe('Cookie');
    const second = await browser.visit();
    expect(second.fields).toEqual([]);
    expect(second.visit.session.id).toBe(first.visit.session.id);
  });

  test('creates nothing without auto_create, and nothing can be set', async () => {
    const { service, manager } = world({ autoCreate: false });
    expect((await visit(service)).visit.session.id).toBeUndefined();
    const answer = await visit(service, {}, (session) => session.set('a', 1));
    expect(answer).toMatchObject({ status: 401, refusal: { code: 'session_required' } });
    expect(await manager.count()).toBe(0);
  });

  test('creates only when something is set with on_write', async () => {
    const { service, manager } = world({ autoCreate: 'on_write' });
    expect((await visit(service)).fields).toEqual([]);
    expect(await manager.count()).toBe(0);
    const browser = new Browser(service);
    await browser.visit((session) => session.set('a', 1));
    expect(await manager.count()).toBe(1);
    await browser.look((session) => expect(session.get('a')).toBe(1));
  });

  test.each([
    ['HEAD', { method: 'HEAD' }, {}],
    ['OPTIONS', { method: 'OPTIONS' }, {}],
    ['an upgrade', { upgrade: true }, {}],
    ['an answer that caches may share', {}, { cacheControl: 'public, max-age=60' }],
    ['an answer with s-maxage', {}, { cacheControl: 'max-age=0, s-maxage=60' }],
  ])('creates nothing for %s', async (_name, parts, head) => {
    const { service, manager } = world();
    const answer = await visit(service, parts, undefined, head);
    expect(answer.fields).toEqual([]);
    expect(await manager.count()).toBe(0);
  });

  test('is refused where a session is required, and a browser is sent to the login', async () => {
    const { service } = world({
      autoCreate: false,
      session: 'required',
      paths: [
        { prefix: '/login', session: 'optional' },
        { prefix: '/assets', session: 'none' },
        { prefix: '/app', session: 'required', loginUrl: '/login' },
      ],
    });
    expect(await visit(service, { path: '/x' })).toMatchObject({
      status: 401,
      refusal: { code: 'session_required' },
    });
    expect((await visit(service, { path: '/login' })).status).toBe(200);
    expect((await visit(service, { path: '/assets/a.css' })).status).toBe(200);
    const page = await visit(service, { path: '/app/x', headers: { accept: 'text/html' } });
    expect(page.status).toBe(302);
    expect(field(page.fields, 'location')).toBe('/login');
    expect((await visit(service, { path: '/app', headers: { accept: 'application/json' } })).status).toBe(
      401,
    );
    expect(
      (await visit(service, { path: '/app', method: 'POST', headers: { accept: 'text/html' } })).status,
    ).toBe(401);
  });

  test.each([
    '/%61dmin',
    '//admin',
    '/x/../admin',
    '/ADMIN',
    '/admin/',
    '/./admin',
    '/x\\..\\admin',
    '/admin;v=1/x',
  ])('can not evade a required path by the spelling %s', async (path) => {
    const { service } = world({ autoCreate: false, paths: [{ prefix: '/admin', session: 'required' }] });
    expect((await visit(service, { path })).status).toBe(401);
    expect((await visit(service, { path: '/administrator' })).status).toBe(200);
  });

  test('answers a CORS preflight on a required path without a session', async () => {
    const { service } = world({ session: 'required' });
    const headers = { origin: 'https://other.example', 'access-control-request-method': 'PUT' };
    expect((await visit(service, { method: 'OPTIONS', headers })).status).toBe(200);
    expect((await visit(service, { method: 'OPTIONS' })).status).toBe(401);
  });

  test('passes a stateless service, where nothing can be stored', async () => {
    const { manager } = world();
    const service = manager.service('plain');
    const answer = await visit(service, { headers: { cookie: `${COOKIE}=x` } });
    expect(answer).toMatchObject({ status: 200, fields: [] });
    await expect(visit(service, {}, (session) => session.set('a', 1))).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
    await expect(visit(service, {}, (session) => session.login('ann'))).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
  });
});

describe('a token', () => {
  const made = 's01jzzzzzzz0000000000000000';
  const secret = 'A'.repeat(43);

  test.each([
    ['malformed', 'rubbish'],
    ['unknown', `${made}.${secret}`],
    ['from the future', `s7zzzzzzzzz0000000000000000.${secret}`],
  ])('that is %s is refused once and its cookie cleared', async (_name, value) => {
    const { service, manager } = world();
    const browser = new Browser(service);
    browser.jar.set(COOKIE, value);
    const answer = await browser.visit();
    expect(answer).toMatchObject({ status: 401, refusal: { code: 'session_invalid' } });
    expect(field(answer.fields, 'set-cookie')).toMatch(/^sxapi-sess=; Max-Age=0; Path=\//);
    expect(field(answer.fields, 'cache-control')).toBe('no-store');
    expect(browser.jar.size).toBe(0);
    expect(await manager.count()).toBe(0);
    expect((await browser.visit()).status).toBe(200);
  });

  test('that is unknown is never adopted, also with on_dead renew', async () => {
    const { service } = world({ onDead: 'renew' });
    const browser = new Browser(service);
    browser.jar.set(COOKIE, `${made}.${secret}`);
    const answer = await browser.visit();
    expect(answer.status).toBe(200);
    expect(answer.visit.session.id).not.toBe(made);
    expect(browser.token).not.toContain(secret);
  });

  test('with a wrong secret learns nothing, creates nothing and clears nothing for a minute, then is dead', async () => {
    const { service, clock, manager } = world();
    const browser = new Browser(service);
    await browser.visit();
    const id = browser.token?.split('.')[0];
    const thief = new Browser(service);
    thief.jar.set(COOKIE, `${id}.${secret}`);
    const early = await thief.visit();
    expect(early).toMatchObject({ status: 200, fields: [] });
    expect(early.visit.session.id).toBeUndefined();
    expect(await thief.visit((session) => session.set('a', 1))).toMatchObject({
      refusal: { code: 'session_invalid' },
    });
    await clock.advance(60_000);
    const late = await thief.visit();
    expect(late).toMatchObject({ status: 401, refusal: { code: 'session_invalid' } });
    expect(field(late.fields, 'set-cookie')).toContain('Max-Age=0');
    expect(await manager.count()).toBe(1);
  });

  test('of another service is no token, and its cookie is neither cleared nor replaced', async () => {
    const { service, manager, backend } = world();
    const other = manager.service('news', {
      backend,
      transports: [cookie({ name: 'news' })],
      autoCreate: true,
    });
    const browser = new Browser(service);
    await browser.visit();
    const stray = await visit(other, { headers: { cookie: `news=${browser.token}` } });
    expect(stray).toMatchObject({ status: 200, fields: [] });
    expect(stray.visit.session.id).toBeUndefined();
    expect((await browser.visit()).status).toBe(200);
  });

  test('of a service in the same share group opens the same session', async () => {
    const { service, manager, backend } = world({ share: 'family' });
    const other = manager.service('news', { backend, transports: [cookie()], share: 'family' });
    const browser = new Browser(service);
    const first = await browser.visit((session) => session.set('a', 1));
    const shared = await visit(other, { headers: { cookie: browser.cookie } });
    expect(shared.visit.session.id).toBe(first.visit.session.id);
    expect(shared.visit.session.get('a')).toBe(1);
  });

  test('planted beside the true one under the same cookie name does not win', async () => {
    const { service } = world();
    const browser = new Browser(service);
    const first = await browser.visit();
    for (const planted of ['x', `${made}.${secret}`]) {
      const cookieHeader = `${COOKIE}=${planted}; ${COOKIE}=${browser.token}`;
      const answer = await visit(service, { headers: { cookie: cookieHeader } });
      expect(answer.visit.session.id).toBe(first.visit.session.id);
    }
  });

  test('of two living sessions under one cookie name is ambiguous', async () => {
    const { service } = world();
    const [a, b] = [new Browser(service), new Browser(service)];
    await a.visit();
    await b.visit();
    const both = await visit(service, { headers: { cookie: `${COOKIE}=${a.token}; ${COOKIE}=${b.token}` } });
    expect(both).toMatchObject({ status: 400, refusal: { code: 'bad_request' } });
    const twice = await visit(service, { headers: { cookie: `${COOKIE}=${a.token}; ${COOKIE}=${a.token}` } });
    expect(twice.status).toBe(200);
  });

  test('id alone, as operators see it, opens nothing', async () => {
    const { service } = world({ transports: [cookie(), token(), bearer()] });
    const browser = new Browser(service);
    const first = await browser.visit();
    const id = String(first.visit.session.id);
    expect((await visit(service, { headers: { cookie: `${COOKIE}=${id}` } })).status).toBe(401);
    expect((await visit(service, { query: { _token: id } })).status).toBe(401);
    const asBearer = await visit(service, { headers: { authorization: `Bearer ${id}` } });
    expect(asBearer.visit.session.id).not.toBe(id);
  });
});

describe('several transports', () => {
  const transports = [cookie(), token(), bearer()];

  test('the one that carries the token opens and answers', async () => {
    const { service } = world({ transports });
    const browser = new Browser(service);
    await browser.visit();
    const value = String(browser.token);
    for (const parts of [{ query: { _token: value } }, { headers: { authorization: `Bearer ${value}` } }]) {
      expect((await visit(service, parts)).visit.session.id).toBe(value.split('.')[0]);
    }
    const rotated = await visit(service, { query: { _token: value } }, (session) => session.login('ann'));
    expect(field(rotated.fields, 'session-token')).toMatch(/^s/);
    expect(field(rotated.fields, 'set-cookie')).toBeUndefined();
    expect(field(rotated.fields, 'referrer-policy')).toBe('no-referrer');
    expect(field(rotated.fields, 'access-control-expose-headers')).toBe('Session-Token');
  });

  test('tokens of different sessions are refused, of the same session are not', async () => {
    const { service } = world({ transports });
    const [a, b] = [new Browser(service), new Browser(service)];
    await a.visit();
    await b.visit();
    const mixed = { headers: { cookie: a.cookie, authorization: `Bearer ${b.token}` } };
    const answer = await visit(service, mixed);
    expect(answer).toMatchObject({ status: 400, refusal: { code: 'bad_request' } });
    expect(field(answer.fields, 'www-authenticate')).toContain('error="invalid_request"');
    const same = { headers: { cookie: a.cookie, authorization: `Bearer ${a.token}` } };
    expect((await visit(service, same)).status).toBe(200);
  });

  test("a bearer that is somebody's JWT is no token", async () => {
    const { service } = world({ transports: [bearer()], autoCreate: false });
    const jwt = { headers: { authorization: 'Bearer eyJhbGciOiJIUzI1NiJ9.e30.x' } };
    expect((await visit(service, jwt)).status).toBe(200);
  });

  test('bearer refusals follow RFC 6750', async () => {
    const { service } = world({ transports: [bearer()], autoCreate: false, session: 'required' });
    expect(field((await visit(service)).fields, 'www-authenticate')).toBe('Bearer');
    const dead = await visit(service, {
      headers: { authorization: `Bearer s01jzzzzzzz0000000000000000.${'A'.repeat(43)}` },
    });
    expect(field(dead.fields, 'www-authenticate')).toContain('error="invalid_token"');
  });
});

describe('the cross-site guard', () => {
  const foreign = { 'sec-fetch-site': 'cross-site' };
  test.each([
    ['POST from another site', { method: 'POST', headers: foreign }, 403],
    ['POST from a sibling site', { method: 'POST', headers: { 'sec-fetch-site': 'same-site' } }, 403],
    ['POST from the own origin', { method: 'POST', headers: { 'sec-fetch-site': 'same-origin' } }, 200],
    ['POST typed by the user', { method: 'POST', headers: { 'sec-fetch-site': 'none' } }, 200],
    ['GET from another site', { headers: foreign }, 200],
    ['an upgrade from another site', { upgrade: true, headers: foreign }, 403],
    ['POST with a foreign Origin', { method: 'POST', headers: { origin: 'https://evil.example' } }, 403],
    ['POST with Origin null', { method: 'POST', headers: { origin: 'null' } }, 403],
    [
      'POST with the own Origin, scheme ignored',
      { method: 'POST', headers: { origin: 'https://shop.example' } },
      200,
    ],
    [
      'POST with the own Origin on another port',
      { method: 'POST', headers: { origin: 'https://shop.example:8443' } },
      403,
    ],
    ['POST with neither header', { method: 'POST' }, 200],
    [
      'POST from an allowed origin',
      { method: 'POST', headers: { ...foreign, origin: 'https://app.example' } },
      200,
    ],
    ['DELETE from another site', { method: 'DELETE', headers: foreign }, 403],
  ])('judges %s', async (_name, parts, status) => {
    const { service } = world({ allowOrigins: ['https://app.example'] });
    expect((await visit(service, parts)).status).toBe(status);
    const browser = new Browser(service);
    await browser.visit();
    expect((await browser.visit(undefined, parts)).status).toBe(status);
  });

  test('does not concern visits opened by bearer, nor services without cookies', async () => {
    const both = world({ transports: [cookie(), bearer()] });
    const browser = new Browser(both.service);
    await browser.visit();
    const parts = { method: 'POST', headers: { ...foreign, authorization: `Bearer ${browser.token}` } };
    expect((await visit(both.service, parts)).status).toBe(200);
    expect(
      (await visit(world({ transports: [bearer()] }).service, { method: 'POST', headers: foreign })).status,
    ).toBe(200);
  });
});
