import { createHash } from 'node:crypto';
import type { LegacySession, LegacySessions, ServiceOptions } from '@sessionkit/session-core';
import { describe, expect, test } from 'vitest';
import { Browser, field, request, visit, world } from './harness.js';
import { down, recordOf, rig } from './rig.js';

/** An old store in memory. Its cookie is `old=KEY`, and every one is taken for signed. */
function oldStore(sessions: Record<string, Partial<LegacySession>> = {}) {
  const kept = new Map(
    Object.entries(sessions).map(([key, { data = '{}', user }]) => [
      key,
      { data, user } satisfies LegacySession,
    ]),
  );
  const calls: string[] = [];
  const legacy: LegacySessions = {
    type: 'old',
    read(view) {
      const [, key] = /old=(\w+)/.exec(view.header('cookie') ?? '') ?? [];
      return key === undefined ? undefined : { key, seed: createHash('sha512').update(key).digest() };
    },
    async take(key, atMost) {
      calls.push(`take ${key} ${atMost}`);
      return kept.get(key);
    },
    async remove(key) {
      calls.push(`remove ${key}`);
      kept.delete(key);
    },
    clear: () => [['set-cookie', 'old=; Max-Age=0']],
  };
  return { legacy, calls, kept };
}

const ALICE = { a: { data: '{"cart":[1],"n":{"__proto__":1}}', user: 'alice' } };

function shop(options: ServiceOptions = {}, sessions: Record<string, Partial<LegacySession>> = ALICE) {
  const old = oldStore(sessions);
  const made = rig({ autoCreate: 'on_write', onDead: 'renew', legacy: old.legacy, ...options });
  const browser = new Browser(made.service);
  browser.jar.set('old', 'a');
  return { ...made, ...old, browser };
}

const setCookies = (fields: readonly (readonly [string, string])[]) =>
  fields.filter(([name]) => name === 'set-cookie').map(([, value]) => value);

describe('an old session is taken over', () => {
  test('with data and user, without a time of login, and with ids before all others', async () => {
    const { browser, clock, real, calls, manager } = shop();
    const { fields, status } = await browser.visit((session) => {
      expect([session.user, session.text, session.authenticatedAt]).toEqual([
        'alice',
        '{\n"cart":[1],\n"n":{}\n}',
        undefined,
      ]);
    });
    expect(status).toBe(200);
    expect(setCookies(fields)).toEqual([expect.stringMatching(/^sxapi-sess=s0000000000/), 'old=; Max-Age=0']);
    expect(field(fields, 'cache-control')).toBe('no-store');
    expect(calls).toEqual(['take a 3600000', 'remove a']);
    const [head] = (await manager.list({ user: 'alice' })).items;
    const record = await recordOf(real, head?.id as never);
    expect(record).toMatchObject({
      version: 1,
      epoch: 1,
      startedAt: clock.now(),
      endsAt: clock.now() + 3_600_000,
    });
    browser.jar.delete('old');
    await browser.look((session) => expect(session.user).toBe('alice'));
    expect(calls).toHaveLength(2);
  });

  test.each(['GET', 'HEAD', 'OPTIONS', 'POST'])('by a %s, whatever creates sessions else', async (method) => {
    const { browser } = shop({ autoCreate: false, session: 'required' });
    expect((await browser.visit(undefined, { method })).status).toBe(200);
    expect(browser.token).toBeDefined();
  });

  test('for requests at the same time as for one: each store is asked once', async () => {
    const { browser, service, calls, real, broken } = shop();
    let saves = 0;
    broken.save = (...args: Parameters<typeof real.save>) => {
      saves++;
      return real.save(...args);
    };
    const answers = await Promise.all(
      [1, 2, 3].map(() =>
        visit(service, { headers: { cookie: browser.cookie } }, (session) =>
          expect(session.user).toBe('alice'),
        ),
      ),
    );
    expect([calls.length, saves]).toEqual([2, 1]);
    expect(answers.map(({ fields }) => setCookies(fields).length)).toEqual([2, 0, 0]);
  });

  test('by the handshake of a socket, on whose answer the new cookie goes out', async () => {
    const { browser } = shop();
    await browser.visit((session) => expect(session.user).toBe('alice'), { upgrade: true }, { status: 101 });
    expect(browser.token).toBeDefined();
  });

  test('where a dead token of ours stands beside, and where one stands that is none', async () => {
    const dead = shop();
    await dead.browser.visit((session) => session.logout());
    dead.browser.jar.set('sxapi-sess', `${'s'.padEnd(27, '0')}.${'A'.repeat(43)}`);
    dead.browser.jar.set('old', 'b');
    dead.kept.set('b', { data: '{}', user: 'bob' });
    await dead.browser.visit((session) => expect(session.user).toBe('bob'));
    const malformed = shop();
    malformed.browser.jar.set('sxapi-sess', 'nonsense');
    await malformed.browser.visit((session) => expect(session.user).toBe('alice'));
  });

  test('but not where the path has no sessions, nor from another site', async () => {
    const { browser, calls } = shop({ paths: [{ prefix: '/static', session: 'none' }] });
    await browser.visit(undefined, { path: '/static/a.css' });
    const headers = { 'sec-fetch-site': 'cross-site' };
    expect((await browser.visit(undefined, { method: 'POST', headers })).status).toBe(403);
    expect(calls).toEqual([]);
  });

  test('but not for a client that has shown too many tokens in vain', async () => {
    const { service, calls } = shop({ limits: { creations: 10, failedTokens: 2 } });
    for (const key of ['x', 'y', 'z']) {
      const { status } = await visit(service, { headers: { cookie: `old=${key}` } });
      expect(status).toBe(key === 'z' ? 429 : 200);
    }
    expect(calls).toHaveLength(2);
  });
});

describe('an old cookie without a session', () => {
  test('is no token, and is cleared with whatever is answered', async () => {
    const { browser } = shop({}, {});
    const { status, fields } = await browser.visit((session) => expect(session.id).toBeUndefined());
    expect([status, setCookies(fields)]).toEqual([200, ['old=; Max-Age=0']]);
    expect(field(fields, 'cache-control')).toBe('no-store');
  });

  test('is cleared beside the cookie of a new session, and beside a refusal', async () => {
    const created = await shop({}, {}).browser.visit((session) => session.set('a', 1));
    expect(setCookies(created.fields)).toEqual([expect.stringMatching(/^sxapi-sess=s/), 'old=; Max-Age=0']);
    const refused = await shop({ session: 'required' }, {}).browser.visit();
    expect([refused.status, setCookies(refused.fields)]).toEqual([401, ['old=; Max-Age=0']]);
  });

  test('of a session that an operator has ended says so, and nothing brings it back', async () => {
    const { browser, manager, kept, service } = shop({ onDead: 'error' });
    const stolen = browser.cookie;
    await browser.visit();
    const [head] = (await manager.list({ user: 'alice' })).items;
    await manager.end(head?.id as never, { name: 'olga' });
    // As an old process would that still had it in its hands.
    kept.set('a', { data: '{}', user: 'alice' });
    const { status, refusal, fields } = await visit(service, { headers: { cookie: stolen } });
    expect([status, refusal?.code]).toEqual([401, 'session_ended']);
    expect(setCookies(fields)).toContain('old=; Max-Age=0');
    expect(kept.size).toBe(0);
  });

  test('that is shown right after a login changes nothing and says nothing', async () => {
    const { browser, service, clock } = shop();
    const stolen = browser.cookie;
    await browser.visit();
    await browser.visit((session) => session.login('alice'));
    const early = await visit(service, { headers: { cookie: stolen } }, (session) =>
      expect(session.user).toBeUndefined(),
    );
    expect(early.fields).toEqual([]);
    await clock.advance(60_001);
    const late = await visit(service, { headers: { cookie: stolen } });
    expect(setCookies(late.fields)).toEqual(['old=; Max-Age=0']);
  });
});

describe('a store that fails', () => {
  test('is 503 for who shows an old cookie, and for nobody else', async () => {
    const { browser, service, legacy, kept, environment } = shop();
    const { take } = legacy;
    Object.assign(legacy, { take: down });
    for (let i = 0; i < 2; i++) expect((await browser.visit()).refusal?.code).toBe('store_unavailable');
    expect(environment.entries).toMatchObject([
      { level: 'warning', message: 'memory: the store of old sessions does not answer' },
    ]);
    expect((await visit(service)).status).toBe(200);
    Object.assign(legacy, { take });
    expect(kept.size).toBe(1);
    await browser.look((session) => expect(session.user).toBe('alice'));
  });

  test('with an answer after the deadline is 503 in time', async () => {
    const old = oldStore(ALICE);
    old.legacy.take = () => new Promise(() => {});
    const { service } = world({ legacy: old.legacy }, { deadline: 50 });
    const begun = performance.now();
    const opened = await service.open(request({ headers: { cookie: 'old=a' } }));
    expect(opened.refusal?.code).toBe('store_unavailable');
    expect(performance.now() - begun).toBeLessThan(2_000);
    opened.close();
  });

  test('of which a first save is unknown does not end what a second makes', async () => {
    const { browser, broken, real, manager } = shop();
    broken.save = async (...args: Parameters<typeof real.save>) => {
      await real.save(...args);
      return down();
    };
    expect((await browser.visit()).status).toBe(503);
    delete broken.save;
    await browser.look((session) => expect(session.user).toBe('alice'));
    await manager.flush();
    await browser.look((session) => expect(session.user).toBe('alice'));
  });
});
