import { createSessionManager, type Service, type ServiceOptions } from '@sessionkit/session-core';
import { testEnvironment } from '@sessionkit/testkit';
import { cookie } from '@sessionkit/transport-cookie';
import { describe, expect, test } from 'vitest';
import { Browser, field, request, visit, world } from './harness.js';
import { idOf, operator, recordOf, rig } from './rig.js';

const LARGEST = 262_144;

describe('the limit of refused tokens', () => {
  const limits = { creations: 100, failedTokens: 2 };

  test('does not count tokens that a login superseded a moment ago, but counts wrong ones', async () => {
    const { service } = world({ limits });
    const browser = new Browser(service);
    await browser.visit();
    const old = { headers: { cookie: browser.cookie } };
    const wrong = { headers: { cookie: `sxapi-sess=${idOf(browser)}.${'A'.repeat(43)}` } };
    await browser.visit((session) => session.login('ann'));
    for (let i = 0; i < 5; i++) expect((await visit(service, old)).status).toBe(200);
    for (let i = 0; i < 2; i++) expect((await visit(service, wrong)).status).toBe(200);
    expect(await visit(service, wrong)).toMatchObject({ status: 429, refusal: { code: 'too_many' } });
  });

  test('does not count the right token of a session that is over', async () => {
    const { service, manager } = world({ limits });
    const browser = new Browser(service);
    await browser.visit();
    const token = { headers: { cookie: browser.cookie } };
    await manager.end(idOf(browser), operator);
    for (let i = 0; i < 5; i++) expect((await visit(service, token)).status).toBe(401);
  });

  test('holds up the address that is over it, and no other', async () => {
    const { service } = world({ limits });
    const rubbish = { headers: { cookie: 'sxapi-sess=rubbish' } };
    for (let i = 0; i < 3; i++) await visit(service, rubbish);
    expect((await visit(service, rubbish)).status).toBe(429);
    expect((await visit(service, { ...rubbish, ip: '192.0.2.8' })).status).toBe(401);
  });
});

describe('the limit of creations', () => {
  const limits = { creations: 2, failedTokens: 100 };
  const shared = { cacheControl: 'public, max-age=60' };
  const file = (service: Service) => visit(service, {}, undefined, shared);

  test('does not count answers that caches may share: nothing is created for them', async () => {
    const { service, manager } = world({ limits });
    for (let i = 0; i < 5; i++) expect((await file(service)).status).toBe(200);
    for (let i = 0; i < 2; i++) expect((await visit(service)).status).toBe(200);
    expect(await file(service)).toMatchObject({ status: 429, refusal: { code: 'too_many' } });
    expect(await manager.count()).toBe(2);
  });

  test('counts such an answer that sets something after all', async () => {
    const { service } = world({ limits });
    const both = () => visit(service, {}, (session) => session.set('a', 1), shared);
    for (let i = 0; i < 2; i++) expect((await both()).status).toBe(200);
    expect((await file(service)).status).toBe(429);
  });

  test('gives nothing back for an answer that began in the minute before', async () => {
    const { service, clock } = world({ limits });
    const slow = await service.open(request());
    await clock.advance(60_000);
    for (let i = 0; i < 2; i++) expect((await visit(service)).status).toBe(200);
    await slow.finish({ status: 200, ...shared });
    slow.close();
    expect((await visit(service)).status).toBe(429);
  });
});

describe('services of one share group', () => {
  function family() {
    const made = rig({ share: 'family' });
    const shared: ServiceOptions = { backend: made.backend, transports: [cookie()], share: 'family' };
    return { ...made, other: made.manager.service('news', shared), shared };
  }

  test('use one cookie, which each of them may replace and take back', async () => {
    const { service, other, real } = family();
    const browser = new Browser(service);
    await browser.visit((session) => session.set('a', 1));
    expect((await recordOf(real, idOf(browser))).service).toBe('family');
    const there = { headers: { cookie: browser.cookie } };
    const login = await visit(other, there, (session) => session.login('ann'));
    browser.receive(login.fields);
    await browser.look((session) => {
      expect(session.user).toBe('ann');
      expect(session.get('a')).toBe(1);
    });
    const logout = await visit(other, { headers: { cookie: browser.cookie } }, (session) => session.logout());
    expect(field(logout.fields, 'set-cookie')).toMatch(/^sxapi-sess=; Max-Age=0/);
    expect((await browser.visit()).status).toBe(401);
  });

  test('are told from a service outside of it, whose cookie must have another name', async () => {
    const { manager, backend, service } = family();
    const stranger: ServiceOptions = { backend, transports: [cookie()] };
    expect(() => manager.service('shop2', stranger)).toThrow(
      /different cookie names, or the same share group/,
    );
    expect(() => manager.service('shop2', { ...stranger, share: 'others' })).toThrow(
      /different cookie names/,
    );
    const outside = manager.service('shop2', { ...stranger, transports: [cookie({ name: 'own' })] });
    const browser = new Browser(service);
    await browser.visit();
    const stray = await visit(outside, { headers: { cookie: `own=${browser.token}` } });
    expect(stray.visit.session.id).toBeUndefined();
  });

  test('count the sessions of a user together', async () => {
    const made = rig({ share: 'family', maxPerUser: { max: 1, full: 'refuse' } });
    const other = made.manager.service('news', {
      backend: made.backend,
      transports: [cookie()],
      share: 'family',
      maxPerUser: { max: 1, full: 'refuse' },
    });
    expect((await visit(made.service, {}, (session) => session.login('ann'))).status).toBe(200);
    expect((await visit(other, {}, (session) => session.login('ann'))).status).toBe(429);
    expect((await visit(other, {}, (session) => session.login('bob'))).status).toBe(200);
  });
});

describe('a key', () => {
  test.each([
    ['__proto__', '__proto__'],
    ['empty', ''],
    ['of 256 bytes', 'k'.repeat(256)],
    ['of 255 characters and 510 bytes', 'é'.repeat(255)],
    ['of a megabyte', 'k'.repeat(1_048_576)],
    ['with a line feed', 'a\nb'],
    ['with half a surrogate pair', '\ud800'],
  ])('that is %s is refused by every verb, and nothing is stored', async (_what, key) => {
    const { service } = world();
    const browser = new Browser(service);
    await browser.look((session) => {
      const refused = expect.objectContaining({ code: 'INVALID_VALUE' });
      expect(() => session.set(key, 1)).toThrow(refused);
      expect(() => session.delete(key)).toThrow(refused);
      expect(() => session.update(key, () => 1)).toThrow(refused);
      expect(() => session.merge(JSON.parse(`{${JSON.stringify(key)}:1}`))).toThrow(refused);
    });
    await browser.look((session) => expect(session.all()).toEqual({}));
  });

  test('of 255 bytes is kept', async () => {
    const { service } = world();
    const browser = new Browser(service);
    const keys = ['k'.repeat(255), `k${'é'.repeat(127)}`];
    await browser.visit((session) => {
      for (const key of keys) session.set(key, key);
    });
    await browser.look((session) => expect(session.keys()).toEqual(keys));
  });

  test.each(['{"__proto__":{"admin":true}}', '[{"a":{"__proto__":1}}]'])(
    '__proto__ inside the value %s is refused, and no prototype is touched',
    async (json) => {
      const { service } = world();
      const browser = new Browser(service);
      const value: unknown = JSON.parse(json);
      await browser.look((session) => {
        const refused = expect.objectContaining({ code: 'INVALID_VALUE' });
        expect(() => session.set('a', value)).toThrow(refused);
        expect(() => session.update('a', () => value)).toThrow(refused);
        expect(() => session.merge({ a: value })).toThrow(refused);
      });
      await browser.look((session) => expect(session.all()).toEqual({}));
      expect('admin' in {}).toBe(false);
    },
  );

  test('__proto__ inside a string is text like any other', async () => {
    const { service } = world();
    const browser = new Browser(service);
    await browser.visit((session) => session.set('a', { text: '"__proto__":1' }));
    await browser.look((session) => expect(session.get('a')).toEqual({ text: '"__proto__":1' }));
  });
});

describe('the data of a session', () => {
  /** `{\n"a":"…"\n}`. */
  const frame = 10;

  test('may have 256 kB and not a byte more', async () => {
    const { service } = world();
    const browser = new Browser(service);
    const most = 'x'.repeat(LARGEST - frame);
    expect((await browser.visit((session) => session.set('a', most))).status).toBe(200);
    await browser.look((session) => expect(Buffer.byteLength(session.text)).toBe(LARGEST));
    const over = await browser.visit((session) => session.set('a', `${most}x`));
    expect(over).toMatchObject({ status: 413, refusal: { code: 'data_too_large' } });
    expect((await browser.visit((session) => session.set('b', 1))).status).toBe(413);
    await browser.look((session) => expect(session.get('a')).toBe(most));
  });

  test('may shrink where it is over a limit that was lowered, but not grow', async () => {
    const { service, clock, real } = rig();
    const browser = new Browser(service);
    await browser.visit((session) => session.merge({ a: 'x'.repeat(500), b: 'x'.repeat(500) }));
    const manager = createSessionManager({ environment: testEnvironment({ clock }) });
    const lower = manager.service('shop', { backend: real.share(), transports: [cookie()], maxData: 200 });
    const parts = { headers: { cookie: browser.cookie } };
    expect((await visit(lower, parts, (session) => session.set('c', 1))).status).toBe(413);
    expect((await visit(lower, parts, (session) => session.delete('b'))).status).toBe(200);
    await browser.look((session) => expect(session.keys()).toEqual(['a']));
  });
});
