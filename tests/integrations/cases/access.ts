import { expect } from 'vitest';
import { ask, cookieOf } from '../client.js';
import type { App, Call } from '../integration.js';
import { visitsAreClosed } from './answers.js';
import type { Case } from './case.js';

const FRESH = 5 * 60_000;

/** Counts how often a route that asks for something was reached. */
function guarded(): { app: App; reached: () => number } {
  let reached = 0;
  const route = (call: Call) => {
    reached++;
    call.answer(200, {}, call.session.user ?? 'nobody');
  };
  return {
    reached: () => reached,
    app: {
      before: { 'access-control-allow-origin': 'https://app.example' },
      access: { '/any': {}, '/user': { require: 'user' }, '/pay': { fresh: FRESH } },
      routes: {
        '/set': (call) => {
          call.session.set('n', 1);
          call.answer(200, {}, 'set');
        },
        '/login': async (call) => {
          await call.session.login('alice');
          call.answer(200, {}, 'in');
        },
        '/any': route,
        '/user': route,
        '/pay': route,
        '/open': (call) => call.answer(200, {}, call.session.user ?? 'nobody'),
      },
    },
  };
}

export const ACCESS: readonly Case[] = [
  {
    name: 'a route that needs a session, a user or a fresh login refuses who has none, and is not reached',
    async run(stage) {
      const { app, reached } = guarded();
      const w = await stage.start(app);
      for (const path of ['/any', '/user', '/pay']) {
        const answer = await ask(w.port, path);
        expect([path, answer.status]).toEqual([path, 401]);
        expect(JSON.parse(answer.body)).toMatchObject({ status: 401, code: 'session_required' });
        expect(answer.headers['content-type']).toBe('application/problem+json');
        expect(answer.headers['cache-control']).toBe('no-store');
        expect(answer.headers['access-control-allow-origin'], 'set before the session').toBe(
          'https://app.example',
        );
      }
      expect((await ask(w.port, '/open')).body).toBe('nobody');
      const cookie = cookieOf(await ask(w.port, '/set'));
      expect((await ask(w.port, '/any', { cookie })).status).toBe(200);
      expect((await ask(w.port, '/user', { cookie })).status).toBe(401);
      expect(reached()).toBe(1);
      expect(w.store.saves).toBe(1);
      await visitsAreClosed(w);
    },
  },
  {
    name: 'a login is fresh for the minutes that a route says; after them the client is told how new a login it needs',
    async run(stage) {
      const { app } = guarded();
      const w = await stage.start(app);
      const cookie = cookieOf(await ask(w.port, '/login', { method: 'POST' }));
      w.turn(FRESH - 10_000);
      expect((await ask(w.port, '/pay', { method: 'POST', cookie })).body).toBe('alice');
      w.turn(20_000);
      const stale = await ask(w.port, '/pay', { method: 'POST', cookie });
      expect(stale.status).toBe(401);
      expect(JSON.parse(stale.body)).toMatchObject({ code: 'session_required', max_age: 300 });
      expect(stale.headers['www-authenticate']).toMatch(
        /^Bearer error="insufficient_user_authentication", .*max_age="300"$/,
      );
      expect((await ask(w.port, '/user', { cookie })).body).toBe('alice');
      const again = cookieOf(await ask(w.port, '/login', { method: 'POST', cookie }));
      expect((await ask(w.port, '/pay', { method: 'POST', cookie: again })).body).toBe('alice');
    },
  },
  {
    name: 'a browser that lacks what a route needs is sent to the login of the service; a preflight passes',
    async run(stage) {
      const { app } = guarded();
      const w = await stage.start(app, { loginUrl: '/login' });
      const headers = { accept: 'text/html' };
      const answer = await ask(w.port, '/user', { headers });
      expect([answer.status, answer.headers.location, answer.body]).toEqual([302, '/login', '']);
      const preflight = await ask(w.port, '/user', {
        method: 'OPTIONS',
        headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
      });
      expect(preflight.status).toBe(200);
    },
  },
  {
    name: 'a path that the service requires a session for is refused before anything of the route runs',
    async run(stage) {
      let reached = 0;
      const w = await stage.start(
        {
          routes: {
            '/private': (call) => {
              reached++;
              call.answer(200);
            },
          },
        },
        { paths: [{ prefix: '/private', session: 'required' }] },
      );
      for (const path of ['/private', '/private?x=1', '/%70rivate']) {
        const answer = await ask(w.port, path);
        expect([path, answer.status]).toEqual([path, 401]);
      }
      const rubbish = await ask(w.port, '/private', { cookie: 'sid=rubbish' });
      expect([rubbish.status, JSON.parse(rubbish.body).code]).toEqual([401, 'session_invalid']);
      expect(rubbish.headers['set-cookie']?.[0]).toMatch(/^sid=;/);
      expect(reached).toBe(0);
      await visitsAreClosed(w);
    },
  },
  {
    name: 'a refused request stores nothing of a session that would be created for it',
    async run(stage) {
      const { app } = guarded();
      const w = await stage.start(app, { autoCreate: true });
      const answer = await ask(w.port, '/user');
      expect(answer.status).toBe(401);
      expect(answer.headers).not.toHaveProperty('set-cookie');
      expect(w.store.saves).toBe(0);
      await visitsAreClosed(w);
    },
  },
];
