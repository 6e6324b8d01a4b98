import type { SessionId } from '@sessionkit/session-core';
import { signedIn } from '@sessionkit/testkit';
import { expect } from 'vitest';
import { ask, cookieOf } from '../client.js';
import { visitsAreClosed } from './answers.js';
import type { Case } from './case.js';

export const OWN: readonly Case[] = [
  {
    name: 'a user sees the own sessions, and ends the others or all of them',
    async run(stage) {
      const w = await stage.start({
        routes: {
          '/login': async (call) => {
            await call.session.login('alice');
            call.answer(200, {}, call.session.id);
          },
          '/sessions': async (call) => {
            const own = await call.session.sessions();
            call.answer(200, {}, JSON.stringify(own.map(({ id, current }) => [id, current])));
          },
          '/others': async (call) => call.answer(200, {}, String(await call.session.endOthers())),
          '/all': async (call) => call.answer(200, {}, String(await call.session.endAll())),
        },
      });
      const logins = await Promise.all([1, 2, 3].map(() => ask(w.port, '/login', { method: 'POST' })));
      const [first, second] = logins.map((login) => ({ id: login.body, cookie: cookieOf(login) }));
      const listed = JSON.parse((await ask(w.port, '/sessions', { cookie: first?.cookie })).body);
      expect(new Map(listed)).toEqual(new Map(logins.map(({ body }) => [body, body === first?.id])));
      expect((await ask(w.port, '/others', { method: 'POST', cookie: first?.cookie })).body).toBe('2');
      expect((await ask(w.port, '/sessions', { cookie: second?.cookie })).status).toBe(401);
      const all = await ask(w.port, '/all', { method: 'POST', cookie: first?.cookie });
      expect(all.body).toBe('1');
      expect(all.headers['set-cookie']?.[0]).toMatch(/^sid=;/);
      expect((await ask(w.port, '/sessions', { cookie: first?.cookie })).status).toBe(401);
      await visitsAreClosed(w);
    },
  },
  {
    name: "a user ends one of the own sessions by its id, and nobody else's",
    async run(stage) {
      const w = await stage.start({
        routes: {
          '/me': (call) => call.answer(200, {}, call.session.user),
          '/end': async (call) => {
            let id = '';
            for await (const chunk of call.body()) id += Buffer.from(chunk).toString();
            call.answer(200, {}, String(await call.session.end(id as SessionId)));
          },
        },
      });
      const [here, there, bob] = [
        await signedIn(w.service, 'alice'),
        await signedIn(w.service, 'alice'),
        await signedIn(w.service, 'bob'),
      ];
      const end = async (id: string) => {
        const headers = { ...here.headers, 'content-type': 'text/x-id' };
        return (await ask(w.port, '/end', { method: 'POST', headers, body: id })).body;
      };
      expect(await end(bob.id)).toBe('false');
      expect(await end(there.id)).toBe('true');
      expect(await end(there.id)).toBe('false');
      const me = async ({ headers }: typeof here) => (await ask(w.port, '/me', { headers })).body;
      expect(await me(here)).toBe('alice');
      expect(await me(bob)).toBe('bob');
      const over = await ask(w.port, '/me', { headers: there.headers });
      expect([over.status, JSON.parse(over.body).code]).toEqual([401, 'session_ended']);
      await visitsAreClosed(w);
    },
  },
  {
    name: 'who is signed in for a test is served as one who has logged in, until the clock is turned',
    async run(stage) {
      const w = await stage.start(
        {
          access: { '/me': { require: 'user' } },
          routes: {
            '/me': (call) => call.answer(200, {}, `${call.session.user} ${call.session.get('cart')}`),
          },
        },
        { idleTimeout: 600_000 },
      );
      const { headers } = await signedIn(w.service, 'alice', { cart: ['tea'] });
      expect((await ask(w.port, '/me', { headers })).body).toBe('alice tea');
      w.turn(610_000);
      const late = await ask(w.port, '/me', { headers });
      expect([late.status, JSON.parse(late.body).code]).toEqual([401, 'session_expired']);
      expect((await ask(w.port, '/me')).status).toBe(401);
      await visitsAreClosed(w);
    },
  },
];
