import type { RequestListener, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Service } from '@sessionkit/session-core';
import { expect } from 'vitest';
import { type SessionHandler, sessionHandler } from '../src/index.js';
import { type Ask, ask, cookieOf, down, serve, settle, type World, world } from './help.js';

/** What the behaviour of an answer is asked of: our handler, or a mutant of it. */
export type Listen = (service: Service, handler: SessionHandler) => RequestListener;

export interface Case {
  readonly name: string;
  run(listen: Listen): Promise<void>;
}

/** Ways to answer; each must wait for the store, and must not be seen when the store says no. */
const WAYS: Readonly<Record<string, (response: ServerResponse) => void | Promise<void>>> = {
  end: (response) => void response.end('app'),
  'write and end': (response) => {
    response.write('a');
    response.write('pp', () => response.end());
  },
  'writeHead and end': (response) => void response.writeHead(200, { 'x-app': '1' }).end('app'),
  'an early flush': (response) => {
    response.flushHeaders();
    setTimeout(() => response.end('app'), 5);
  },
  'a redirect': (response) => void response.writeHead(302, { location: '/home' }).end(),
  'a pipe': (response) => void Readable.from(['a', 'pp']).pipe(response),
  'a pipeline': (response) => pipeline(Readable.from(['a', 'pp']), response),
  'a pipeline of a generator': (response) =>
    pipeline(async function* () {
      yield 'a';
      yield 'pp';
    }, response),
  'a loop that waits for drain': async (response) => {
    for (const part of ['a', 'p', 'p']) {
      if (!response.write(part)) await new Promise((resolve) => response.once('drain', resolve));
    }
    response.end();
  },
  '204': (response) => void response.writeHead(204).end(),
  '304': (response) => void response.writeHead(304, { etag: '"x"' }).end(),
};

/** A server whose `/set` sets something and hands out a session, by our handler; every other path goes through the one in question. */
async function visited(w: World, listen: Listen, handler: SessionHandler) {
  const first = sessionHandler(w.service, (_request, response, session) => {
    session.set('here', true);
    response.end();
  });
  const then = listen(w.service, handler);
  const { port } = await serve((request, response) =>
    request.url === '/set' ? first(request, response) : then(request, response),
  );
  const sid = cookieOf(await ask(port, '/set'));
  return { port, sid };
}

/** Asks while the store does not answer; nothing may be seen of the answer until it does. */
async function askBehindGate(w: World, port: number, options: Ask) {
  const open = w.backend.shut();
  let seen = false;
  const asked = ask(port, '/', { ...options, onHead: () => (seen = true) });
  asked.catch(() => {});
  await settle(30);
  const early = seen;
  const saves = w.backend.saves;
  open();
  const answer = await asked;
  expect(early, 'the head was seen before the change was stored').toBe(false);
  expect(w.backend.saves, 'stored when the answer is there').toBe(saves + 1);
  return answer;
}

const waiting = Object.entries(WAYS).map(
  ([way, respond]): Case => ({
    name: `${way}: the client sees nothing before the change is stored`,
    async run(listen) {
      const w = world();
      const { port, sid } = await visited(w, listen, (_request, response, session) => {
        session.set('n', 1);
        return respond(response);
      });
      const answer = await askBehindGate(w, port, { cookie: sid });
      expect(answer.body).toBe([204, 302, 304].includes(answer.status) ? '' : 'app');
    },
  }),
);

const refused = Object.entries(WAYS).map(
  ([way, respond]): Case => ({
    name: `${way}: a change that cannot be stored is answered with 503 and nothing of the application`,
    async run(listen) {
      const w = world();
      let finished: Promise<unknown> | undefined;
      const { port, sid } = await visited(w, listen, (_request, response, session) => {
        session.set('n', 1);
        response.setHeader('X-Before', '1');
        finished = Promise.resolve(respond(response)).catch(() => {});
        return undefined;
      });
      w.backend.fault = down;
      const answer = await ask(port, '/', { cookie: sid });
      expect(answer.status).toBe(503);
      expect(answer.headers['content-type']).toBe('application/problem+json');
      expect(JSON.parse(answer.body)).toMatchObject({ status: 503, code: 'store_unavailable' });
      expect(answer.headers).not.toHaveProperty('x-app');
      expect(answer.headers).not.toHaveProperty('x-before');
      expect(answer.headers).not.toHaveProperty('location');
      await finished;
    },
  }),
);

/** Ways to hand out a cookie of the application's own. */
const COOKIES: Readonly<Record<string, (response: ServerResponse) => void>> = {
  setHeader: (response) => void response.setHeader('Set-Cookie', 'own=1').end(),
  'writeHead with an object': (response) => void response.writeHead(200, { 'set-cookie': 'own=1' }).end(),
  'writeHead with lists': (response) =>
    void response.writeHead(200, { 'Set-Cookie': ['own=1', 'b=2'] }).end(),
  'writeHead with a flat list': (response) =>
    void response.writeHead(200, 'Fine', ['Set-Cookie', 'own=1', 'Set-Cookie', 'b=2']).end(),
};

const cookies = Object.entries(COOKIES).map(
  ([way, respond]): Case => ({
    name: `a new session's cookie stands beside the application's own (${way})`,
    async run(listen) {
      const w = world();
      const { port } = await visited(w, listen, (_request, response, session) => {
        session.set('n', 1);
        response.setHeader('Vary', 'Accept-Encoding');
        respond(response);
      });
      const answer = await ask(port);
      expect(answer.headers['set-cookie']?.[0]).toBe('own=1');
      expect(cookieOf(answer)).toMatch(/^sid=s/);
      expect(answer.headers['cache-control']).toBe('no-store');
      expect(answer.headers.vary).toBe('Accept-Encoding, Cookie');
    },
  }),
);

const others: readonly Case[] = [
  {
    name: 'a login is stored and its cookie handed out before the client follows the redirect',
    async run(listen) {
      const w = world();
      const { port, sid } = await visited(w, listen, async (request, response, session) => {
        if (request.url === '/home') {
          response.end(session.user ?? 'nobody');
          return;
        }
        await session.login('alice');
        response.writeHead(303, { location: '/home' }).end();
      });
      const answer = await askBehindGate(w, port, { cookie: sid, method: 'POST' });
      expect(answer.status).toBe(303);
      const next = cookieOf(answer);
      expect(next).not.toBe(sid);
      expect((await ask(port, '/home', { cookie: next })).body).toBe('alice');
    },
  },
  {
    name: 'HEAD waits for the store too, and its refusal has a length and no body',
    async run(listen) {
      const w = world();
      const { port, sid } = await visited(w, listen, (_request, response, session) => {
        session.update<number>('n', (n = 0) => n + 1);
        response.end('app');
      });
      const answer = await askBehindGate(w, port, { cookie: sid, method: 'HEAD' });
      expect([answer.status, answer.body]).toEqual([200, '']);
      w.backend.gate = undefined;
      w.backend.fault = down;
      const no = await ask(port, '/', { cookie: sid, method: 'HEAD' });
      expect(no.status).toBe(503);
      expect(Number(no.headers['content-length'])).toBeGreaterThan(50);
      expect(no.body).toBe('');
    },
  },
  {
    name: 'a change after the head has gone out is stored before the answer ends',
    async run(listen) {
      const w = world();
      const { port, sid } = await visited(w, listen, (_request, response, session) => {
        response.write('first');
        setTimeout(() => {
          session.set('late', 1);
          response.end('last');
        }, 20);
      });
      const open = w.backend.shut();
      let over = false;
      const asked = ask(port, '/', { cookie: sid }).finally(() => (over = true));
      await settle(60);
      const early = over;
      open();
      expect((await asked).body).toBe('firstlast');
      expect(early, 'ended before the change was stored').toBe(false);
      expect(w.backend.saves).toBe(2);
    },
  },
  {
    name: 'an answer whose late change cannot be stored does not look whole',
    async run(listen) {
      const w = world();
      const { port, sid } = await visited(w, listen, (_request, response, session) => {
        response.write('first');
        setTimeout(() => {
          session.set('late', 1);
          response.end('last');
        }, 20);
      });
      w.backend.fault = down;
      await expect(ask(port, '/', { cookie: sid })).rejects.toThrow(/aborted|hang up/);
    },
  },
  {
    name: 'a conflict is 409 and data that is too large is 413',
    async run(listen) {
      const w = world({ maxData: 1000 }, 300);
      const { port, sid } = await visited(w, listen, (request, response, session) => {
        session.set('n', request.url === '/large' ? 'x'.repeat(2000) : 1);
        response.end('app');
      });
      expect((await ask(port, '/large', { cookie: sid })).status).toBe(413);
      w.backend.losing = true;
      const conflict = await ask(port, '/', { cookie: sid });
      expect([conflict.status, JSON.parse(conflict.body).code]).toEqual([409, 'conflict']);
    },
  },
];

export const CASES: readonly Case[] = [...waiting, ...refused, ...cookies, ...others];
