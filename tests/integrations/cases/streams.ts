import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { ask, cookieOf, settle } from '../client.js';
import type { Call } from '../integration.js';
import { down, until } from '../world.js';
import { visitsAreClosed } from './answers.js';
import type { Case } from './case.js';

const CHUNK = 16 * 1024;
const CHUNKS = 64;

async function* chunks() {
  for (let i = 0; i < CHUNKS; i++) yield Buffer.alloc(CHUNK, i);
}

const digest = (text: string | Buffer) => createHash('sha256').update(text).digest('hex');
const expected = digest(Buffer.concat(Array.from({ length: CHUNKS }, (_, i) => Buffer.alloc(CHUNK, i))));

const set = (call: Call) => {
  call.session.set('n', 1);
  call.answer(200, {}, 'set');
};

/** A route whose body sets something between its first and its last part. */
function late(change: (call: Call) => unknown) {
  return (call: Call) =>
    call.answer(
      200,
      {},
      (async function* () {
        yield 'first';
        await settle(30);
        yield String((await change(call)) ?? 'last');
      })(),
    );
}

export const STREAMS: readonly Case[] = [
  {
    name: 'a large body streams down whole behind a change, its first part before the last is made',
    async run(stage) {
      let made = 0;
      let firstSeen = Number.POSITIVE_INFINITY;
      const w = await stage.start({
        routes: {
          '/': (call) => {
            call.session.set('n', 1);
            call.answer(
              200,
              {},
              (async function* () {
                for await (const chunk of chunks()) {
                  made++;
                  yield chunk.toString('hex');
                  // The rest is made only when the client has seen something, or never will.
                  for (let i = 0; made === 2 && i < 300 && firstSeen > made; i++) await settle(10);
                }
              })(),
            );
          },
        },
      });
      const answer = await ask(w.port, '/', {
        onHead: (head) => head.once('data', () => (firstSeen = made)),
      });
      expect(digest(Buffer.from(answer.body, 'hex'))).toBe(expected);
      expect(firstSeen).toBeLessThan(CHUNKS);
      expect(cookieOf(answer)).toMatch(/^sid=/);
      await visitsAreClosed(w);
    },
  },
  {
    name: 'an upload streams into a route that changes the session by it',
    async run(stage) {
      const w = await stage.start({
        routes: {
          '/': async (call) => {
            const hash = createHash('sha256');
            let size = 0;
            for await (const chunk of call.body()) {
              hash.update(chunk);
              size += chunk.length;
            }
            call.session.set('size', size);
            call.answer(200, {}, hash.digest('hex'));
          },
          '/get': (call) => call.answer(200, {}, String(call.session.get('size'))),
        },
      });
      const headers = { 'content-type': 'application/octet-stream' };
      const answer = await ask(w.port, '/', { method: 'POST', body: chunks(), headers });
      expect(answer.body).toBe(expected);
      expect((await ask(w.port, '/get', { cookie: cookieOf(answer) })).body).toBe(String(CHUNK * CHUNKS));
    },
  },
  {
    name: 'a body streams both ways at a time behind a change',
    async run(stage) {
      const w = await stage.start({
        routes: {
          '/': (call) => {
            call.session.set('n', 1);
            call.answer(
              200,
              {},
              (async function* () {
                for await (const chunk of call.body()) yield Buffer.from(chunk).toString('hex');
              })(),
            );
          },
        },
      });
      let answered = false;
      let sawAnswerWhileSending = false;
      async function* slow() {
        for await (const chunk of chunks()) {
          yield chunk;
          for (let i = 0; i < 50 && !answered; i++) await settle(5);
          sawAnswerWhileSending ||= answered;
        }
      }
      const headers = { 'content-type': 'application/octet-stream' };
      const onHead = () => (answered = true);
      const answer = await ask(w.port, '/', { method: 'POST', body: slow(), headers, onHead });
      expect(digest(Buffer.from(answer.body, 'hex'))).toBe(expected);
      expect(sawAnswerWhileSending).toBe(true);
    },
  },
  {
    name: 'a change after the head has gone out is stored before the answer ends',
    async run(stage) {
      const w = await stage.start({
        routes: { '/set': set, '/late': late((call) => call.session.set('late', 1)) },
      });
      const cookie = cookieOf(await ask(w.port, '/set'));
      let over = false;
      let head = false;
      const open = w.store.shut();
      const asked = ask(w.port, '/late', { cookie, onHead: () => (head = true) }).finally(
        () => (over = true),
      );
      await until('the head is out', () => head);
      await settle(80);
      const early = over;
      open();
      expect((await asked).body).toBe('firstlast');
      expect(early, 'ended before the change was stored').toBe(false);
      expect(w.store.saves).toBe(2);
      await visitsAreClosed(w);
    },
  },
  {
    name: 'a head is flushed before there is a body, and what is changed after it is stored before the answer ends',
    async run(stage) {
      let seen = () => {};
      const head = new Promise<void>((resolve) => {
        seen = resolve;
      });
      const w = await stage.start({
        routes: {
          '/set': set,
          '/flush': async (call) => {
            const end = call.begin(200);
            // Not within the route: whoever answers by a value has answered only when it is over.
            void head.then(() => {
              call.session.set('late', 1);
              end('last');
            });
          },
          '/get': (call) => call.answer(200, {}, String(call.session.get('late'))),
        },
      });
      const cookie = cookieOf(await ask(w.port, '/set'));
      expect((await ask(w.port, '/flush', { cookie, onHead: seen })).body).toBe('last');
      expect(w.store.saves).toBe(2);
      expect((await ask(w.port, '/get', { cookie })).body).toBe('1');
      await visitsAreClosed(w);
    },
  },
  {
    name: 'an answer whose late change cannot be stored does not look whole',
    async run(stage) {
      const w = await stage.start({
        routes: { '/set': set, '/late': late((call) => call.session.set('late', 1)) },
      });
      const cookie = cookieOf(await ask(w.port, '/set'));
      w.store.fault = down;
      await expect(ask(w.port, '/late', { cookie })).rejects.toThrow(/aborted|hang up/);
      await visitsAreClosed(w);
    },
  },
  {
    name: 'what needs a header is refused after the head: a login, and the creation of a session',
    async run(stage) {
      const codeOf = (error: unknown) => (error as { code?: string }).code;
      const w = await stage.start({
        routes: {
          '/set': set,
          '/login': late((call) => call.session.login('alice').catch(codeOf)),
          '/create': late(async (call) => {
            try {
              call.session.set('n', 1);
            } catch (error) {
              return codeOf(error);
            }
            return 'created';
          }),
        },
      });
      const cookie = cookieOf(await ask(w.port, '/set'));
      expect((await ask(w.port, '/login', { cookie })).body).toBe('firstHEADERS_SENT');
      expect((await ask(w.port, '/create')).body).toBe('firstHEADERS_SENT');
      expect(w.store.saves).toBe(1);
    },
  },
  {
    name: "a stream is told when its session ends, by the session's signal",
    async run(stage) {
      const w = await stage.start({
        routes: {
          '/set': (call) => {
            call.session.set('n', 1);
            call.answer(200, {}, call.session.id);
          },
          '/events': (call) =>
            call.answer(
              200,
              {},
              (async function* () {
                const { signal } = call.session;
                yield 'begun ';
                await new Promise((resolve) => signal.addEventListener('abort', resolve));
                yield `${signal.reason.endCause}`;
              })(),
            ),
        },
      });
      const first = await ask(w.port, '/set');
      const id = first.body as Parameters<typeof w.manager.end>[0];
      const onHead = () => void w.manager.end(id, { name: 'admin' });
      const answer = await ask(w.port, '/events', { cookie: cookieOf(first), onHead });
      expect(answer.body).toBe('begun killed');
      await visitsAreClosed(w);
    },
  },
];
