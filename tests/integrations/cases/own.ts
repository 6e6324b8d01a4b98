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
];
