import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect } from 'vitest';
import { codeOf, cookieOf, secretOf, setCookie, tokenOf } from '../client.js';
import { check, row } from '../table.js';
import { overwriting, type World } from '../world.js';

/** A token of the right form that nobody ever issued. */
const unknown = `s0${'1'.repeat(25)}.${'A'.repeat(43)}`;
const grace = 31_000;

/** Cookies of as many new sessions, asked for on one connection without waiting for answers. */
async function issued(world: World, count: number): Promise<string[]> {
  const { hostname, port } = new URL(world.url);
  const socket = connect(Number(port), hostname);
  const request = 'GET /set?a=1 HTTP/1.1\r\nHost: shop\r\n';
  socket.write(`${`${request}\r\n`.repeat(count - 1)}${request}Connection: close\r\n\r\n`);
  const answers = await text(socket);
  return [...answers.matchAll(/^set-cookie: ([^;]*)/gim)].map(([, pair = '']) => pair);
}

/** Of the 32 bytes of secrets: how many values the one has that has the fewest. */
function fewestValues(secrets: readonly string[]): number {
  const decoded = secrets.map((secret) => Buffer.from(secret, 'base64url'));
  const values = (at: number) => new Set(decoded.map((bytes) => bytes[at])).size;
  return Math.min(...Array.from({ length: 32 }, (_, at) => values(at)));
}

export function tokens(): void {
  row('ASVS 7.2.3', 'a token is unique and has 128 bits or more of a good random source', () => {
    check(
      'ten thousand tokens are long, differ, and share no part',
      async (start) => {
        const world = await start();
        const some = (await issued(world, 1_000)).map(secretOf);
        // A byte that is fixed, or counts slowly, has few values; a random one has 251 of 256 by now.
        expect(fewestValues(some)).toBeGreaterThan(200);
        const secrets = [...some, ...(await issued(world, 9_000)).map(secretOf)];
        expect(new Set(secrets).size).toBe(10_000);
        expect(new Set(secrets.map(({ length }) => length))).toEqual(new Set([43]));
        expect(fewestValues(secrets)).toBe(256);
      },
      {
        as: 'all but 64 bits of a secret are fixed',
        random: (bytes) =>
          Buffer.concat([Buffer.alloc(Math.max(0, bytes - 8), 7), randomBytes(Math.min(8, bytes))]),
      },
    );
    check(
      'a random source that repeats itself hands nobody the session of another',
      async (start) => {
        const world = await start({ frozen: true, random: (bytes) => new Uint8Array(bytes).fill(5) });
        const first = cookieOf(await world.ask('/set?whose=ann'));
        const second = await world.ask('/set?whose=bob');
        expect(codeOf(second)).toBe('conflict');
        expect(setCookie(second)).toBe('');
        const { body } = await world.ask('/needed', { cookie: first });
        expect(body).toContain('"ann"');
      },
      { as: 'the store writes over what is there', store: overwriting },
    );
  });

  row('ASVS 7.2.1, 7.2.2', 'a token is verified by the server and issued by nobody else', () => {
    const weakness = {
      as: 'what the client presents is adopted',
      front: (
        request: { headers: { cookie?: string | undefined } },
        response: { setHeader(name: string, value: string): void },
      ) => {
        const { cookie } = request.headers;
        if (cookie !== undefined) response.setHeader('set-cookie', cookie);
      },
    };
    check(
      'an unknown token is refused and never becomes that of a session',
      async (start) => {
        const world = await start();
        for (const value of [unknown, 'admin', `${unknown}x`]) {
          const answer = await world.ask('/set?a=1', { cookie: `sxapi-sess=${value}` });
          expect(codeOf(answer)).toBe('session_invalid');
          expect(JSON.stringify(answer)).not.toContain(value);
        }
      },
      weakness,
    );
    check(
      'where it is not refused it is replaced',
      async (start) => {
        const world = await start({ options: { onDead: 'renew' } });
        const answer = await world.ask('/set?a=1', { cookie: `sxapi-sess=${unknown}` });
        const cookie = cookieOf(answer);
        expect(tokenOf(cookie).split('.')[0]).not.toBe(unknown.split('.')[0]);
        expect(secretOf(cookie)).not.toBe(secretOf(`=${unknown}`));
        expect((await world.ask('/needed', { cookie })).status).toBe(200);
        expect(JSON.stringify(answer)).not.toContain(unknown);
      },
      weakness,
    );
    check('the id of a session, which logs have, opens nothing', async (start) => {
      const world = await start();
      const cookie = cookieOf(await world.ask('/login'));
      const id = tokenOf(cookie).split('.')[0];
      for (const value of [id, `${id}.`, `${id}.${'A'.repeat(43)}`])
        expect((await world.ask('/needed', { cookie: `sxapi-sess=${value}` })).status).toBe(401);
      expect((await world.ask('/needed', { cookie })).status).toBe(200);
    });
  });

  row('ASVS 7.2.4', 'a login changes the token and ends the old one', () => {
    check(
      'what was there before the login opens nothing after it',
      async (start) => {
        const world = await start();
        const before = cookieOf(await world.ask('/set?cart=book'));
        const after = cookieOf(await world.ask('/login', { cookie: before }));
        expect(secretOf(after)).not.toBe(secretOf(before));
        expect(secretOf(after)).toHaveLength(43);
        expect((await world.ask('/needed', { cookie: before })).status).toBe(401);
        expect((await world.ask('/needed', { cookie: after })).body).toContain('"book"');
        world.turn(61_000);
        expect(codeOf(await world.ask('/', { cookie: before }))).toBe('session_invalid');
        expect((await world.ask('/needed', { cookie: after })).status).toBe(200);
      },
      {
        as: 'a login only notes the user',
        visit: ({ session }) => {
          session.login = async (user) => session.set('user', user);
        },
      },
    );
    check('a login as somebody else has none of the data of before', async (start) => {
      const world = await start();
      const ann = cookieOf(await world.ask('/login?user=ann'));
      await world.ask('/set?card=4711', { cookie: ann });
      const bob = cookieOf(await world.ask('/login?user=bob', { cookie: ann }));
      expect((await world.ask('/needed', { cookie: bob })).body).not.toContain('4711');
      expect((await world.ask('/needed', { cookie: ann })).status).toBe(401);
    });
    check(
      'requests that are under way during a rotation go on; the old token dies after its grace',
      async (start) => {
        const world = await start();
        const old = cookieOf(await world.ask('/login'));
        world.turn(61_000);
        const answers = await Promise.all(
          ['/rotate', '/needed', '/needed', '/rotate'].map((path) => world.ask(path, { cookie: old })),
        );
        expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
        const renewed = answers.map(cookieOf).find((cookie) => cookie !== '') ?? '';
        expect(secretOf(renewed)).not.toBe(secretOf(old));
        expect((await world.ask('/needed', { cookie: old })).status).toBe(200);
        expect((await world.ask('/needed', { cookie: renewed })).status).toBe(200);
        world.turn(grace);
        expect((await world.ask('/needed', { cookie: old })).status).toBe(401);
        expect((await world.ask('/needed', { cookie: renewed })).status).toBe(200);
      },
      {
        as: 'rotating means a login',
        visit: ({ session }) => {
          session.rotate = async () => {
            await session.login(session.user ?? '');
            return 'rotated';
          };
        },
      },
    );
  });
}
