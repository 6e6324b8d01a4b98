import { expect } from 'vitest';
import { ask, cookieOf } from '../client.js';
import type { Call, Handled } from '../integration.js';
import { down } from '../world.js';
import { visitsAreClosed } from './answers.js';
import type { Case } from './case.js';

interface Coded {
  readonly code?: string;
  readonly statusCode?: number;
  readonly message?: string;
}

/** An error handler as applications have it: it goes by the code and the status that an error carries. */
function failed(error: unknown): Handled {
  const { code, statusCode = 500, message } = error as Coded;
  return { status: statusCode, body: `handled ${code ?? message}` };
}

const set = (call: Call) => {
  call.session.set('n', 1);
  call.answer(200, {}, 'set');
};

const login = async (call: Call) => {
  await call.session.login('alice');
  call.answer(200, {}, 'in');
};

export const ERRORS: readonly Case[] = [
  {
    name: 'a fault of the store in a verb comes to the error handler with its code and status',
    async run(stage) {
      const w = await stage.start({ routes: { '/set': set, '/login': login }, failed });
      const cookie = cookieOf(await ask(w.port, '/set'));
      w.store.fault = down;
      const answer = await ask(w.port, '/login', { method: 'POST', cookie });
      expect(answer.status).toBe(503);
      // Where the framework has no error handlers, the answer is ours.
      if (stage.integration.errors === undefined) {
        expect(JSON.parse(answer.body)).toMatchObject({ code: 'store_unavailable' });
      } else expect(answer.body).toBe('handled BACKEND_DOWN');
      expect(answer.headers).not.toHaveProperty('set-cookie');
      await visitsAreClosed(w);
    },
  },
  {
    name: 'without a handler of the application the framework answers a fault by the status it carries, if it looks at it',
    async run(stage) {
      const w = await stage.start({ routes: { '/set': set, '/login': login } });
      const cookie = cookieOf(await ask(w.port, '/set'));
      w.store.fault = down;
      const answer = await ask(w.port, '/login', { method: 'POST', cookie });
      expect(answer.status).toBe(stage.integration.errors?.unhandled ?? 503);
    },
  },
  {
    name: "the application's own error is handled with the session's changes stored",
    async run(stage) {
      const w = await stage.start({
        routes: {
          '/': (call) => {
            call.session.set('n', 1);
            throw Object.assign(new Error('own'), { statusCode: 422 });
          },
          '/get': (call) => call.answer(200, {}, String(call.session.get('n'))),
        },
        failed,
      });
      const answer = await ask(w.port);
      expect(answer.status).toBe(stage.integration.errors === undefined ? 500 : 422);
      if (stage.integration.errors !== undefined) expect(answer.body).toBe('handled own');
      else expect(answer.body).not.toContain('own');
      expect((await ask(w.port, '/get', { cookie: cookieOf(answer) })).body).toBe('1');
      await visitsAreClosed(w);
    },
  },
  {
    name: 'a misuse is an error with status 500 that names what to do',
    async run(stage) {
      const w = await stage.start({
        routes: {
          '/': (call) => {
            call.session.set('__proto__', 1);
            call.answer(200);
          },
        },
        failed,
      });
      const answer = await ask(w.port);
      expect(answer.status).toBe(500);
      if (stage.integration.errors !== undefined) expect(answer.body).toBe('handled INVALID_VALUE');
    },
  },
  {
    name: 'a path that nobody serves is the framework’s 404, and creates nothing',
    async run(stage) {
      const w = await stage.start({ routes: { '/': set } });
      expect((await ask(w.port, '/nowhere')).status).toBe(404);
      expect(w.store.saves).toBe(0);
      await visitsAreClosed(w);
    },
  },
];
