import { expect } from 'vitest';
import { ask, cookieOf, settle } from '../client.js';
import type { Call } from '../integration.js';
import { down, type World } from '../world.js';
import type { Case } from './case.js';

/** Asks while the store does not answer; nothing may be seen of the answer until it does. */
async function askBehindGate(
  w: World,
  ...[path, options]: [path: string, options: Parameters<typeof ask>[2]]
) {
  const open = w.store.shut();
  let seen = false;
  const asked = ask(w.port, path, { ...options, onHead: () => (seen = true) });
  asked.catch(() => {});
  await settle(30);
  const early = seen;
  open();
  const answer = await asked;
  expect(early, 'the head was seen before the change was stored').toBe(false);
  return answer;
}

async function* parts() {
  yield 'a';
  yield 'pp';
}

/** Ways to answer; each must wait for the store, and must not be seen when the store says no. */
const WAYS: Readonly<Record<string, (call: Call) => void>> = {
  'a text': (call) => call.answer(200, { 'x-app': '1' }, 'app'),
  'a stream': (call) => call.answer(200, { 'x-app': '1' }, parts()),
  'a redirect': (call) => call.answer(303, { 'x-app': '1', location: '/home' }),
  '204': (call) => call.answer(204, { 'x-app': '1' }),
  '304': (call) => call.answer(304, { 'x-app': '1', etag: '"x"' }),
  'a head that is flushed early': (call) => {
    const end = call.begin(200, { 'x-app': '1' });
    setTimeout(() => end('app'), 5);
  },
};

const set = (call: Call) => {
  call.session.set('n', 1);
  call.answer(200, {}, 'set');
};

const waiting = Object.entries(WAYS).map(
  ([way, respond]): Case => ({
    name: `${way}: waits for the store, and carries the new cookie`,
    async run(stage) {
      const w = await stage.start({
        routes: {
          '/': (call) => {
            call.session.set('n', 1);
            respond(call);
          },
          '/get': (call) => call.answer(200, {}, String(call.session.get('n'))),
        },
      });
      const answer = await askBehindGate(w, '/', {});
      expect(answer.body).toBe(answer.status === 200 ? 'app' : answer.body);
      expect([204, 303, 304, 200]).toContain(answer.status);
      expect(answer.headers['x-app']).toBe('1');
      expect(answer.headers['cache-control']).toBe('no-store');
      expect(w.store.saves).toBe(1);
      expect((await ask(w.port, '/get', { cookie: cookieOf(answer) })).body).toBe('1');
      await visitsAreClosed(w);
    },
  }),
);

const refused = Object.entries(WAYS).map(
  ([way, respond]): Case => ({
    name: `${way}: becomes 503, with nothing of the application's, when its change cannot be stored`,
    async run(stage) {
      const w = await stage.start({
        routes: {
          '/set': set,
          '/': (call) => {
            call.session.set('n', 2);
            respond(call);
          },
        },
      });
      const cookie = cookieOf(await ask(w.port, '/set'));
      w.store.fault = down;
      const answer = await ask(w.port, '/', { cookie });
      expect(answer.status).toBe(503);
      expect(answer.headers['content-type']).toBe('application/problem+json');
      expect(JSON.parse(answer.body)).toMatchObject({ status: 503, code: 'store_unavailable' });
      expect(answer.headers).not.toHaveProperty('x-app');
      expect(answer.headers).not.toHaveProperty('location');
      expect(w.log.filter(({ message }) => message.includes('the answer was replaced'))).toHaveLength(1);
      await visitsAreClosed(w);
    },
  }),
);

/** Every visit ends, whatever became of its answer. */
export async function visitsAreClosed(w: World): Promise<void> {
  for (let i = 0; i < 100 && w.visits.open > 0; i++) await settle(10);
  expect(w.visits, 'visits that were never closed').toEqual({ open: 0, all: w.visits.all });
  expect(w.visits.all).toBeGreaterThan(0);
}

const others: readonly Case[] = [
  {
    name: 'a login is stored, and its cookie opens, when the client follows the redirect at once',
    async run(stage) {
      const w = await stage.start({
        routes: {
          '/set': set,
          '/login': async (call) => {
            await call.session.login('alice');
            call.answer(303, { location: '/home' });
          },
          '/home': (call) => call.answer(200, {}, `${call.session.user} ${call.session.get('n')}`),
          '/logout': async (call) => {
            await call.session.logout();
            call.answer(303, { location: '/home' });
          },
        },
      });
      const before = cookieOf(await ask(w.port, '/set'));
      const login = await askBehindGate(w, '/login', { method: 'POST', cookie: before });
      expect([login.status, login.headers.location]).toEqual([303, '/home']);
      const cookie = cookieOf(login);
      expect(cookie).not.toBe(before);
      expect((await ask(w.port, '/home', { cookie })).body).toBe('alice 1');
      const logout = await ask(w.port, '/logout', { method: 'POST', cookie });
      expect(logout.headers['set-cookie']?.[0]).toMatch(/^sid=;.*Max-Age=0/i);
      const dead = await ask(w.port, '/home', { cookie });
      expect([dead.status, JSON.parse(dead.body).code]).toEqual([401, 'session_ended']);
      expect(dead.headers['set-cookie']?.[0]).toMatch(/^sid=;/);
    },
  },
  {
    name: 'a rotation hands out a new cookie, and the old one still opens until that is seen',
    async run(stage) {
      const w = await stage.start({
        routes: {
          '/set': set,
          '/rotate': async (call) => call.answer(200, {}, await call.session.rotate()),
          '/get': (call) => call.answer(200, {}, `${call.session.get('n')} ${call.session.readOnly}`),
        },
      });
      const before = cookieOf(await ask(w.port, '/set'));
      const rotated = await ask(w.port, '/rotate', { method: 'POST', cookie: before });
      expect(rotated.body).toBe('rotated');
      const cookie = cookieOf(rotated);
      expect((await ask(w.port, '/get', { cookie: before })).body).toBe('1 false');
      expect((await ask(w.port, '/get', { cookie })).body).toBe('1 false');
    },
  },
  {
    name: "the session's cookie stands beside the application's own, and Vary is extended",
    async run(stage) {
      const w = await stage.start({
        routes: {
          '/': (call) => {
            call.session.set('n', 1);
            call.answer(200, { 'set-cookie': 'own=1', vary: 'Accept-Encoding' }, 'app');
          },
        },
      });
      const answer = await ask(w.port);
      expect(answer.headers['set-cookie']).toHaveLength(2);
      expect(answer.headers['set-cookie']?.[0]).toBe('own=1');
      expect(cookieOf(answer)).toMatch(/^sid=s/);
      expect(answer.headers.vary).toBe('Accept-Encoding, Cookie, Authorization');
    },
  },
  {
    name: 'a reader costs no save, and its answer says nothing about tokens',
    async run(stage) {
      const w = await stage.start({
        routes: { '/set': set, '/get': (call) => call.answer(200, {}, `${call.session.get('n')}`) },
      });
      const cookie = cookieOf(await ask(w.port, '/set'));
      const answer = await ask(w.port, '/get', { cookie });
      expect([answer.body, answer.headers['content-length']]).toEqual(['1', '1']);
      expect(answer.headers).not.toHaveProperty('set-cookie');
      expect(answer.headers).not.toHaveProperty('cache-control');
      expect(w.store.saves).toBe(1);
      await visitsAreClosed(w);
    },
  },
  {
    name: 'HEAD waits for the store too, and its refusal has a length and no body',
    async run(stage) {
      const w = await stage.start({
        routes: {
          '/set': set,
          '/': (call) => {
            call.session.update<number>('n', (n = 0) => n + 1);
            call.answer(200, {}, 'app');
          },
        },
      });
      const cookie = cookieOf(await ask(w.port, '/set'));
      const answer = await askBehindGate(w, '/', { method: 'HEAD', cookie });
      expect([answer.status, answer.body, w.store.saves]).toEqual([200, '', 2]);
      w.store.fault = down;
      const no = await ask(w.port, '/', { method: 'HEAD', cookie });
      expect([no.status, no.body]).toEqual([503, '']);
      expect(Number(no.headers['content-length'])).toBeGreaterThan(50);
      await visitsAreClosed(w);
    },
  },
];

export const ANSWERS: readonly Case[] = [...waiting, ...refused, ...others];
