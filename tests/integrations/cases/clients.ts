import http from 'node:http';
import { expect } from 'vitest';
import { ask, cookieOf, settle } from '../client.js';
import { until } from '../world.js';
import { visitsAreClosed } from './answers.js';
import type { Case } from './case.js';

const PARALLEL = 40;

/** Sends a request and goes away when told. */
function sendAndLeave(port: number, path: string, cookie: string) {
  const request = http.get({ host: '127.0.0.1', port, path, headers: { cookie }, agent: false });
  request.on('error', () => {});
  const head = new Promise<void>((resolve) => {
    request.on('response', (answer) => {
      answer.on('error', () => {});
      answer.once('data', () => resolve());
    });
  });
  return { head, leave: () => request.destroy() };
}

export const CLIENTS: readonly Case[] = [
  {
    name: 'a client that goes away while its stream runs leaves no visit open',
    async run(stage) {
      let stopped = false;
      const w = await stage.start({
        routes: {
          '/set': (call) => {
            call.session.set('n', 1);
            call.answer(200, {}, 'set');
          },
          '/stream': (call) =>
            call.answer(
              200,
              {},
              (async function* () {
                try {
                  for (let i = 0; i < 500; i++) {
                    yield `${i}\n`;
                    await settle(5);
                  }
                } finally {
                  stopped = true;
                }
              })(),
            ),
        },
      });
      const cookie = cookieOf(await ask(w.port, '/set'));
      const { head, leave } = sendAndLeave(w.port, '/stream', cookie);
      await head;
      expect(w.visits.open).toBe(1);
      leave();
      await visitsAreClosed(w);
      await until('the stream was ended too', () => stopped);
    },
  },
  {
    name: 'a client that goes away before its answer leaves no visit open, and what it changed by verbs is stored',
    async run(stage) {
      let begun = false;
      let done = false;
      const w = await stage.start({
        routes: {
          '/set': (call) => {
            call.session.set('n', 1);
            call.answer(200, {}, 'set');
          },
          '/slow': async (call) => {
            begun = true;
            await settle(80);
            call.session.set('n', 2);
            await call.session.commit();
            done = true;
            call.answer(200, {}, 'late');
          },
          '/get': (call) => call.answer(200, {}, String(call.session.get('n'))),
        },
      });
      const cookie = cookieOf(await ask(w.port, '/set'));
      const { leave } = sendAndLeave(w.port, '/slow', cookie);
      await until('the route runs', () => begun);
      leave();
      await until('the route is done', () => done);
      await visitsAreClosed(w);
      expect((await ask(w.port, '/get', { cookie })).body).toBe('2');
    },
  },
  {
    name: 'a client that goes away in the middle of its upload leaves no visit open, and its session as it was',
    async run(stage) {
      let begun = false;
      let failed = false;
      const w = await stage.start({
        routes: {
          '/set': (call) => {
            call.session.set('n', 1);
            call.answer(200, {}, 'set');
          },
          '/upload': async (call) => {
            try {
              for await (const _ of call.body()) begun = true;
            } catch (error) {
              failed = true;
              throw error;
            }
            call.session.set('n', 2);
            call.answer(200, {}, 'whole');
          },
          '/get': (call) => call.answer(200, {}, String(call.session.get('n'))),
        },
        failed: () => ({ status: 500, body: 'failed' }),
      });
      const cookie = cookieOf(await ask(w.port, '/set'));
      const headers = { cookie, 'content-type': 'application/octet-stream', 'content-length': '1000' };
      const at = { host: '127.0.0.1', port: w.port, path: '/upload', agent: false };
      const request = http.request({ ...at, method: 'POST', headers });
      request.on('error', () => {});
      request.write('a part of it');
      await until('the upload has begun', () => begun);
      request.destroy();
      await until('the route is told', () => failed);
      await visitsAreClosed(w);
      expect((await ask(w.port, '/get', { cookie })).body).toBe('1');
    },
  },
  {
    name: 'requests at the same time that change different keys lose none of them',
    async run(stage) {
      const w = await stage.start({
        routes: {
          '/set': (call) => {
            call.session.set('n', 0);
            call.answer(200, {}, 'set');
          },
          ...Object.fromEntries(
            Array.from({ length: PARALLEL }, (_, i) => [
              `/key${i}`,
              async (call) => {
                await settle(i % 7);
                call.session.set(`key${i}`, i);
                call.session.update<number>('n', (n = 0) => n + 1);
                call.answer(200, {}, 'ok');
              },
            ]),
          ),
          '/get': (call) => call.answer(200, {}, call.session.text),
        },
      });
      const cookie = cookieOf(await ask(w.port, '/set'));
      const keys = Array.from({ length: PARALLEL }, (_, i) => `key${i}`);
      const answers = await Promise.all(
        keys.map((key) => ask(w.port, `/${key}`, { cookie, method: 'POST' })),
      );
      expect(answers.every(({ status }) => status === 200)).toBe(true);
      const data = JSON.parse((await ask(w.port, '/get', { cookie })).body);
      expect(data).toEqual({ n: PARALLEL, ...Object.fromEntries(keys.map((key, i) => [key, i])) });
      await visitsAreClosed(w);
    },
  },
];
