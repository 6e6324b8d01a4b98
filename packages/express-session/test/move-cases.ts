import assert from 'node:assert/strict';
import { memory } from '@sessionkit/backend-memory';
import { type LegacySessions, SessionError } from '@sessionkit/session-core';
import { Browser } from './help.js';
import { type Entry, moved, type NewApp, type NewOptions, type OldStore, startNewApp } from './move-world.js';
import { HOUR } from './sides.js';

export interface MoveCase {
  readonly name: string;
  run(store: OldStore, entry: Entry, change: (legacy: LegacySessions) => LegacySessions): Promise<void>;
}

const CART = { items: ['a book', 'Größe', '\u2028'], at: '1970-01-01T00:00:00.000Z' };
const MANY = process.env.SESSIONKIT_LONG === '1' ? 100 : 20;

/** Counts what the store of old sessions is asked. */
function counted(legacy: LegacySessions) {
  const calls = { take: 0, remove: 0 };
  const counting: LegacySessions = {
    ...legacy,
    take: (...args) => {
      calls.take++;
      return legacy.take(...args);
    },
    remove: (...args) => {
      calls.remove++;
      return legacy.remove(...args);
    },
  };
  return { calls, counting };
}

async function shown(browser: Browser) {
  const { status, json } = await browser.get('/');
  assert.equal(status, 200);
  const { data, user, authenticated } = json as Record<string, unknown>;
  return { data, user, authenticated };
}

const NOBODY = { data: {}, user: null, authenticated: false };
const whole = (user: string) => ({
  data: { views: 2, passport: { user }, cart: CART },
  user,
  authenticated: true,
});

async function sessionsOf(app: NewApp, user: string): Promise<number> {
  await app.manager.flush();
  return (await app.manager.list({ user })).items.length;
}

const name = () => `user-${Math.random().toString(36).slice(2)}`;

export const CASES: readonly MoveCase[] = [
  {
    name: 'finds user and data, once: our cookie is set, the old one cleared, the old session gone',
    async run(store, entry, change) {
      const app = await startNewApp(change(store.legacy()), { entry, backend: store.backend });
      const user = name();
      const { browser, sid } = await moved(store, app, user);
      assert.deepEqual(await browser.names(), [store.cookieName]);
      assert.deepEqual(await shown(browser), whole(user));
      assert.deepEqual(await browser.names(), ['sid']);
      assert.equal(await store.left(sid), undefined);
      assert.equal(await sessionsOf(app, user), 1);
      assert.equal((await browser.get('/views')).text, '3');
      assert.deepEqual(await shown(browser), { ...whole(user), data: { ...whole(user).data, views: 3 } });
      assert.equal(await sessionsOf(app, user), 1);
    },
  },
  {
    name: `${MANY} requests at a time, to two managers of one store, make one session`,
    async run(store, entry, change) {
      const app = await startNewApp(change(store.legacy()), { entry, processes: 2, backend: store.backend });
      const user = name();
      const { browser, sid } = await moved(store, app, user);
      const copies = await Promise.all(Array.from({ length: MANY }, () => browser.copy()));
      for (const [at, copy] of copies.entries()) copy.port = app.ports[at % 2] ?? 0;
      const all = await Promise.all(copies.map((copy) => shown(copy)));
      for (const one of all) assert.deepEqual(one, whole(user));
      assert.equal(await sessionsOf(app, user), 1);
      assert.equal(await store.left(sid), undefined);
      const names = await Promise.all(copies.map((copy) => copy.names()));
      // Who got the cookie keeps it; the others come with the old one again, as a browser would not.
      assert.equal(names.filter((has) => has.includes('sid')).length, 1);
      assert.deepEqual(await shown(copies[0] as Browser), whole(user));
    },
  },
  {
    name: 'a forged signature opens nothing, and neither store is asked',
    async run(store, entry, change) {
      const { calls, counting } = counted(change(store.legacy()));
      const app = await startNewApp(counting, { entry });
      const user = name();
      const { browser, sid } = await moved(store, app, user);
      const value = (await browser.value(store.cookieName)) ?? '';
      for (const forged of [
        `${value.slice(0, -1)}${value.endsWith('A') ? 'B' : 'A'}`,
        `s:${sid}.`,
        `s:${sid}`,
        sid,
        encodeURIComponent(`s:${sid}.${'A'.repeat(43)}`),
        's:',
        's:.',
        '%',
      ]) {
        const { json, cookies } = await new Browser(app.ports[0] ?? 0).get('/', {
          cookie: `${store.cookieName}=${forged}`,
        });
        const { data, user: found, authenticated } = json as Record<string, unknown>;
        assert.deepEqual({ data, user: found, authenticated }, NOBODY, forged);
        // It may be another application's.
        assert.deepEqual(cookies, []);
      }
      assert.deepEqual(calls, { take: 0, remove: 0 });
      assert.ok(((await store.left(sid)) ?? 0) > 3_500);
      assert.deepEqual(await shown(browser), whole(user));
    },
  },
  {
    name: 'a secret that is not the old one opens nothing',
    async run(store, entry, change) {
      const app = await startNewApp(change(store.legacy(['newer than all'])), { entry });
      const { browser } = await moved(store, app, name());
      assert.deepEqual(await shown(browser), NOBODY);
    },
  },
  {
    name: 'an old session that has run out is not taken over; its cookie is cleared',
    async run(store, entry, change) {
      const app = await startNewApp(change(store.legacy()), { entry });
      const user = name();
      const { browser, sid } = await moved(store, app, user);
      await store.expire(sid);
      assert.deepEqual(await shown(browser), NOBODY);
      assert.equal(await sessionsOf(app, user), 0);
      assert.deepEqual(await browser.names(), []);
    },
  },
  {
    name: 'after a logout the old cookie brings nothing back',
    async run(store, entry, change) {
      const app = await startNewApp(change(store.legacy()), { entry });
      const user = name();
      const { browser } = await moved(store, app, user);
      const thief = await browser.copy();
      await shown(browser);
      await browser.post('/logout');
      assert.deepEqual(await shown(browser), NOBODY);
      for (let wait = 0; wait < 3; wait++) {
        assert.deepEqual(await shown(await thief.copy()), NOBODY);
        app.turn(60_000);
      }
      assert.equal(await sessionsOf(app, user), 0);
    },
  },
  {
    name: 'the old cookie is worth nothing once the new one has been seen for half a minute',
    async run(store, entry, change) {
      const app = await startNewApp(change(store.legacy()), { entry });
      const user = name();
      const { browser } = await moved(store, app, user);
      const late = await browser.copy();
      await shown(browser);
      assert.deepEqual(await shown(await late.copy()), whole(user), 'before the new one is seen');
      await shown(browser);
      // The sight of the new secret is noted beside the answer.
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.deepEqual(await shown(await late.copy()), whole(user), 'right after');
      app.turn(31_000);
      assert.deepEqual(await shown(await late.copy()), NOBODY, 'half a minute later');
      app.turn(31_000);
      const last = await late.copy();
      assert.deepEqual(await shown(last), NOBODY);
      assert.deepEqual(await last.names(), [], 'and is cleared');
      assert.deepEqual(await shown(browser), whole(user));
    },
  },
  {
    name: 'an answer that was lost with the new cookie logs nobody out',
    async run(store, entry, change) {
      const app = await startNewApp(change(store.legacy()), { entry });
      const user = name();
      const { browser } = await moved(store, app, user);
      await shown(await browser.copy());
      assert.deepEqual(await shown(browser), whole(user));
      assert.deepEqual(await browser.names(), [store.cookieName], 'not twice within a minute');
      app.turn(61_000);
      assert.deepEqual(await shown(browser), whole(user));
      assert.deepEqual(await browser.names(), ['sid']);
      assert.deepEqual(await shown(browser), whole(user));
      assert.equal(await sessionsOf(app, user), 1);
    },
  },
  {
    name: 'whatever fails on the way, the next request finds the session',
    async run(store, entry, change) {
      for (const verb of ['take', 'remove'] as const) {
        const legacy = store.legacy();
        let failures = 2;
        const fail = () => {
          if (failures-- > 0) throw new Error('the store is away');
        };
        const failing: LegacySessions = {
          ...legacy,
          async take(...args) {
            if (verb === 'take') fail();
            return legacy.take(...args);
          },
          async remove(...args) {
            if (verb === 'remove') fail();
            return legacy.remove(...args);
          },
        };
        const app = await startNewApp(change(failing), { entry });
        const user = name();
        const { browser, sid } = await moved(store, app, user);
        for (let tries = 0; tries < 2; tries++) {
          const { status, json } = await browser.get('/');
          assert.equal(status, 503);
          assert.equal((json as { code: string }).code, 'store_unavailable');
        }
        assert.deepEqual(await browser.names(), [store.cookieName]);
        assert.deepEqual(await shown(browser), whole(user), verb);
        assert.equal(await sessionsOf(app, user), 1);
        assert.equal(await store.left(sid), undefined);
      }
    },
  },
  {
    name: 'a save here without an answer leaves the old session for an hour at most, and is tried again',
    async run(store, entry, change) {
      const inner = memory();
      let failures = 2;
      const options: NewOptions = {
        entry,
        backend: () =>
          new Proxy(inner, {
            get(target, key) {
              if (key !== 'save' || failures === 0) {
                const member: unknown = Reflect.get(target, key, target);
                return typeof member === 'function' ? member.bind(target) : member;
              }
              return async (...args: Parameters<typeof inner.save>) => {
                // Once it is stored all the same.
                if (--failures === 0) await inner.save(...args);
                throw new SessionError('BACKEND_DOWN', 'no answer', { retryable: true });
              };
            },
          }),
      };
      const app = await startNewApp(change(store.legacy()), options);
      const user = name();
      const { browser, sid } = await moved(store, app, user);
      for (let tries = 0; tries < 2; tries++) assert.equal((await browser.get('/')).status, 503);
      const left = await store.left(sid);
      assert.ok(left !== undefined && left <= 3_601, `${left} s are left`);
      assert.deepEqual(await shown(browser), whole(user));
      await app.manager.flush();
      assert.deepEqual(await shown(browser), whole(user));
      assert.equal(await sessionsOf(app, user), 1);
      assert.equal(await store.left(sid), undefined);
    },
  },
  {
    name: 'who was to be remembered for longer still is, up to the duration',
    async run(store, entry, change) {
      const app = await startNewApp(change(store.legacy()), { entry });
      const user = name();
      const { browser } = await moved(store, app, user, ['/remember']);
      await shown(browser);
      app.turn(5 * HOUR);
      assert.deepEqual(await shown(browser), whole(user));
      app.turn(20 * HOUR);
      assert.deepEqual(await shown(browser), NOBODY);
    },
  },
  {
    name: 'another site can not spend the old cookie',
    async run(store, entry, change) {
      const { calls, counting } = counted(change(store.legacy()));
      const app = await startNewApp(counting, { entry });
      const { browser } = await moved(store, app, name());
      const answer = await browser.ask('POST', '/logout', '', { 'sec-fetch-site': 'cross-site' });
      assert.equal(answer.status, 403);
      assert.equal(calls.take, 0);
    },
  },
  {
    name: 'who has one of our sessions keeps it, and the old store is not asked',
    async run(store, entry, change) {
      const { calls, counting } = counted(change(store.legacy()));
      const app = await startNewApp(counting, { entry });
      const { browser, sid } = await moved(store, app, name());
      const fresh = new Browser(app.ports[0] ?? 0);
      await fresh.get('/views');
      const ours = await fresh.value('sid');
      const both = `sid=${ours}; ${store.cookieName}=${await browser.value(store.cookieName)}`;
      const { json } = await new Browser(app.ports[0] ?? 0).get('/', { cookie: both });
      assert.deepEqual((json as { data: unknown }).data, { views: 1 });
      assert.deepEqual(calls, { take: 0, remove: 0 });
      assert.ok(((await store.left(sid)) ?? 0) > 0);
    },
  },
];
