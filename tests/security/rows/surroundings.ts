import { setTimeout as delay } from 'node:timers/promises';
import { memory } from '@sessionkit/backend-memory';
import type { Backend } from '@sessionkit/session-core';
import { askRedis } from '@sessionkit/test-stores/redis';
import { expect } from 'vitest';
import { ask, codeOf, cookieOf, secretOf, setCookie, tokenOf } from '../client.js';
import { configured, gateway } from '../gateway.js';
import { onRedis } from '../stores.js';
import { check, row } from '../table.js';
import { weakened } from '../world.js';

const FORWARDED = {
  'x-forwarded-for': '203.0.113.7',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'evil.example',
};
const lines = (text: string, word: string) => text.split('\n').filter((line) => line.includes(word));

export function surroundings(): void {
  row('OWASP session management, storage', 'a dump of the store holds nothing that opens a session', () => {
    check('no stored value has a secret, and none works as a cookie (Redis)', async (start) => {
      const { server, client, prefix, backend } = await onRedis();
      const world = await start({ backend });
      const before = cookieOf(await world.ask('/set?a=1'));
      const cookie = cookieOf(await world.ask('/login', { cookie: before }));
      world.turn(61_000);
      const rotated = cookieOf(await world.ask('/rotate', { cookie }));
      await world.manager.flush();
      const id = tokenOf(cookie).split('.')[0];

      const stored: string[] = [];
      for (const key of await client.keys(`${prefix}*`)) {
        const type = await client.type(key);
        stored.push(key);
        if (type === 'hash') stored.push(...Object.entries(await client.hgetall(key)).flat());
        else if (type === 'zset') stored.push(...(await client.zrange(key, 0, -1)));
        else stored.push(await askRedis(server.url, ['DUMP', key]));
      }
      const values = stored.flatMap((value) => [value, ...(value.match(/[\w-]{20,}/g) ?? [])]);
      const all = stored.join('\n');
      expect(all).toContain(id);
      for (const each of [before, cookie, rotated]) {
        expect(secretOf(each)).toHaveLength(43);
        expect(all).not.toContain(secretOf(each));
      }
      const tried = new Set(values.flatMap((value) => [value, `${id}.${value}`]));
      expect(tried.size).toBeGreaterThan(20);
      for (const value of tried) {
        const jar = `sxapi-sess=${encodeURIComponent(value)}`;
        expect((await world.ask('/needed', { cookie: jar })).status).toBe(401);
      }
      expect((await world.ask('/needed', { cookie: rotated })).status).toBe(200);
    });
    check(
      'nor has what a store is given to save',
      async (start) => {
        const given: string[] = [];
        const spy = weakened<Backend>(memory(), {
          save: async (record) => {
            given.push(JSON.stringify(record));
            return true;
          },
        });
        const world = await start({ backend: spy });
        const cookie = cookieOf(await world.ask('/login'));
        expect(given.length).toBeGreaterThan(0);
        expect(given.filter((text) => text.includes(secretOf(cookie)))).toEqual([]);
      },
      {
        as: 'the application keeps the cookie in its data',
        visit: (visit) => {
          const finish = visit.finish.bind(visit);
          visit.finish = async (head) => {
            const fields = await finish(head);
            visit.session.set('cookie', JSON.stringify(fields));
            await finish(undefined);
            return fields;
          };
        },
      },
    );
  });

  row('Proxies', 'nobody is believed to be a proxy who is not named', () => {
    const claims = { headers: FORWARDED };
    check(
      'what a stranger says of scheme and host changes nothing',
      async (start) => {
        const world = await start();
        expect(setCookie(await world.ask('/login', claims))).not.toContain('Secure');
        const origin = { ...FORWARDED, origin: 'https://evil.example' };
        const answer = await world.ask('/login', { method: 'POST', headers: origin });
        expect(codeOf(answer)).toBe('cross_site');
      },
      { as: 'everybody is trusted', http: { trustProxy: ['0.0.0.0/0'] } },
    );
    check(
      'a proxy that is not named, and a Secure cookie that http would lose: one warning each, with the fix',
      async () => {
        const options = 'cookie_options: { prefix: __Host- }';
        const app = await gateway(await configured(`transport: { type: cookie, ${options} }`));
        for (let i = 0; i < 3; i++)
          await ask(`${app.public}/`, { headers: { ...FORWARDED, host: 'shop.example' } });
        await app.stop();
        const warnings = ['forwards requests', 'browsers drop it'].map((text) => lines(app.output(), text));
        expect(warnings.map(({ length }) => length)).toEqual([1, 1]);
        expect(warnings[0]?.[0]).toMatch(/trust_proxy: \[\\*"127\.0\.0\.1\\*"\]/);
        expect(warnings[1]?.[0]).toMatch(/shop\.example.*use https.*trust_proxy/);
        expect(app.output()).not.toMatch(/"client":"203\.0\.113\.7"|evil/);
      },
    );
  });

  row(
    'Store failure',
    'a store that is silent is a fault within a bounded time, and nobody is let in',
    () => {
      const deadline = 500;
      check(
        'a Redis that is stopped is a 503 within the deadline, and works again when it goes on',
        async (start) => {
          const { server, backend } = await onRedis({ ownServer: true });
          const world = await start({ backend, deadline });
          const cookie = cookieOf(await world.ask('/login'));
          const pid = server.server?.pid;
          if (pid === undefined) throw new Error('a server of its own is needed');
          process.kill(pid, 'SIGSTOP');
          try {
            const begun = Date.now();
            const answers = await Promise.all(
              ['/', '/needed', '/set?a=1'].map((path) => world.ask(path, { cookie })),
            );
            const took = Date.now() - begun;
            expect(answers.map(codeOf)).toEqual(Array(3).fill('store_unavailable'));
            expect(answers.map(({ status }) => status)).toEqual([503, 503, 503]);
            expect(answers.map(setCookie)).toEqual(['', '', '']);
            expect(took).toBeLessThan(3 * deadline);
          } finally {
            process.kill(pid, 'SIGCONT');
          }
          const begun = Date.now();
          let status = 0;
          for (; status !== 200 && Date.now() - begun < 10_000; await delay(50))
            status = (await world.ask('/needed', { cookie })).status;
          expect(status).toBe(200);
          expect((await world.ask('/needed', { cookie })).body).toContain('"ann"');
        },
        {
          as: 'a fault of the store means nobody is logged in',
          store: (backend) =>
            weakened(backend, {
              load: (ids, signal) =>
                Promise.race([backend.load(ids, signal), delay(100).then(() => ids.map(() => undefined))]),
            }),
        },
      );
    },
  );
}
