import { expect } from 'vitest';
import { ask, cookieOf, shakeHands } from '../client.js';
import { type Call, METHODS, type Route } from '../integration.js';
import { until } from '../world.js';
import { visitsAreClosed } from './answers.js';
import type { Case } from './case.js';

const forwarded = {
  'x-forwarded-for': '203.0.113.7',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'shop.example',
};

const whoami: Route = (call) => {
  call.session.set('n', 1);
  call.answer(200, {}, call.session.client.ip);
};

const SITES = [undefined, 'same-origin', 'none', 'same-site', 'cross-site'] as const;
const ORIGINS = ['absent', 'own', 'other', 'null'] as const;
type Column = (typeof ORIGINS)[number];

/** Whether a request comes from another site: by `Sec-Fetch-Site` where it is there, else by `Origin`. */
const FOREIGN: Readonly<Record<string, Readonly<Record<Column, boolean>>>> = {
  absent: { absent: false, own: false, other: true, null: true },
  'same-origin': { absent: false, own: false, other: false, null: false },
  none: { absent: false, own: false, other: false, null: false },
  'same-site': { absent: true, own: true, other: true, null: true },
  'cross-site': { absent: true, own: true, other: true, null: true },
};
const UNSAFE: readonly string[] = ['POST', 'PUT', 'PATCH', 'DELETE'];
const TRANSPORTS = ['cookie', 'nothing', 'bearer'] as const;

interface Row {
  readonly site: (typeof SITES)[number];
  readonly origin: Column;
  readonly transport: (typeof TRANSPORTS)[number];
}

const ROWS: readonly Row[] = SITES.flatMap((site) =>
  ORIGINS.flatMap((origin) => TRANSPORTS.map((transport) => ({ site, origin, transport }))),
);

const isForeign = ({ site, origin }: Row) => FOREIGN[site ?? 'absent']?.[origin] === true;

/** The fields that a request of a row has. The token in the cookie opens as a bearer token, too. */
function fieldsOf({ site, origin, transport }: Row, port: number, cookie: string) {
  const origins = {
    absent: undefined,
    own: `http://127.0.0.1:${port}`,
    other: 'https://evil.example',
    null: 'null',
  };
  return {
    'sec-fetch-site': site,
    origin: origins[origin],
    cookie: transport === 'cookie' ? cookie : undefined,
    authorization: transport === 'bearer' ? `Bearer ${cookie.slice('sid='.length)}` : undefined,
  };
}

export const TRUST: readonly Case[] = [
  {
    name: "forwarded headers are not believed, whatever the framework's own setting says",
    async run(stage) {
      for (const gullible of [false, true]) {
        const w = await stage.start({ routes: { '/': whoami }, gullible });
        const answer = await ask(w.port, '/', { headers: forwarded });
        expect([gullible, answer.body]).toEqual([gullible, '127.0.0.1']);
        expect(answer.headers['set-cookie']?.[0]).not.toMatch(/secure/i);
        const headers = { ...forwarded, origin: 'https://shop.example' };
        const foreign = await ask(w.port, '/', { method: 'POST', headers });
        expect([foreign.status, JSON.parse(foreign.body).code]).toEqual([403, 'cross_site']);
      }
    },
  },
  {
    name: 'forwarded headers of a trusted proxy tell the client, the scheme and the host',
    async run(stage) {
      const w = await stage.start({ routes: { '/': whoami }, trustProxy: ['127.0.0.0/8'] });
      const headers = { ...forwarded, origin: 'https://shop.example' };
      const answer = await ask(w.port, '/', { method: 'POST', headers });
      expect([answer.status, answer.body]).toEqual([200, '203.0.113.7']);
      expect(answer.headers['set-cookie']?.[0]).toMatch(/; Secure/);
      const chain = { ...forwarded, 'x-forwarded-for': '6.6.6.6, 203.0.113.8, 127.0.0.9' };
      expect((await ask(w.port, '/', { headers: chain })).body).toBe('203.0.113.8');
    },
  },
  {
    name: 'another site may send nothing unsafe with a cookie, by any header that browsers tell it by',
    async run(stage) {
      let reached = 0;
      const w = await stage.start({
        routes: {
          '/set': (call) => {
            call.session.set('n', 1);
            call.answer(200, {}, 'set');
          },
          '/': (call) => {
            reached++;
            call.answer(200, {}, 'ok');
          },
        },
      });
      const cookie = cookieOf(await ask(w.port, '/set'));
      const rows = ROWS.flatMap((row) => METHODS.map((method) => ({ ...row, method })));
      const wrong: unknown[] = [];
      let allowed = 0;
      const check = async (row: (typeof rows)[number]) => {
        const { method, transport } = row;
        const expected = isForeign(row) && UNSAFE.includes(method) && transport !== 'bearer' ? 403 : 200;
        if (expected === 200) allowed++;
        const { status } = await ask(w.port, '/', { method, headers: fieldsOf(row, w.port, cookie) });
        if (status !== expected) wrong.push({ ...row, expected, status });
      };
      for (let i = 0; i < rows.length; i += 20) await Promise.all(rows.slice(i, i + 20).map(check));
      expect(wrong).toEqual([]);
      expect([rows.length, reached]).toEqual([420, allowed]);
    },
  },
  {
    name: 'another site may open no socket with a cookie',
    async run(stage) {
      let reached = 0;
      const w = await stage.start({
        routes: {
          '/set': (call) => {
            call.session.set('n', 1);
            call.answer(200, {}, 'set');
          },
          // Where there are no sockets the request of one comes to a plain handler.
          ...(!stage.integration.sockets && {
            '/ws': (call: Call) => {
              reached++;
              call.answer(200, {}, 'ok');
            },
          }),
        },
        socket: () => {
          reached++;
        },
      });
      const cookie = cookieOf(await ask(w.port, '/set'));
      const open = stage.integration.sockets ? 101 : 200;
      const wrong: unknown[] = [];
      let allowed = 0;
      for (const row of ROWS) {
        const expected = isForeign(row) && row.transport !== 'bearer' ? 403 : open;
        if (expected === open) allowed++;
        const status = await shakeHands(w.port, '/ws', fieldsOf(row, w.port, cookie));
        if (status !== expected) wrong.push({ ...row, expected, status });
      }
      expect(wrong).toEqual([]);
      await until('every socket that was let in is there', () => reached === allowed);
      await visitsAreClosed(w);
    },
  },
];
