import { setTimeout as delay } from 'node:timers/promises';
import { memory } from '@sessionkit/backend-memory';
import type { Backend } from '@sessionkit/session-core';
import { expect } from 'vitest';
import { type Answer, codeOf, cookieOf, setCookie, tokenOf } from '../client.js';
import { onRedis, STORES } from '../stores.js';
import { check, row } from '../table.js';
import { overwriting, type Start, type World, weakened } from '../world.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const logins = (world: World, count: number) =>
  Promise.all(Array.from({ length: count }, () => world.ask('/login')));

/** How many of these clients are let in. */
async function live(world: World, answers: readonly Answer[]): Promise<number> {
  const cookies = answers.map(cookieOf).filter((cookie) => cookie !== '');
  const asked = await Promise.all(cookies.map((cookie) => world.ask('/needed', { cookie })));
  return asked.filter(({ status }) => status === 200).length;
}

export function ends(): void {
  row('ASVS 7.3.1, 7.3.2', 'the server ends a session that is idle, and any after a fixed time', () => {
    const options = { idleTimeout: 30 * MINUTE, duration: 2 * HOUR };
    check(
      'an idle session is refused, whatever its cookie says',
      async (start) => {
        const world = await start({ options });
        const cookie = cookieOf(await world.ask('/login'));
        world.turn(29 * MINUTE);
        expect((await world.ask('/needed', { cookie })).status).toBe(200);
        world.turn(31 * MINUTE);
        const answer = await world.ask('/needed', { cookie: `${cookie}; Max-Age=99999` });
        expect([answer.status, codeOf(answer)]).toEqual([401, 'session_expired']);
        expect(setCookie(answer)).toMatch(/^sxapi-sess=; Max-Age=0/);
      },
      { as: 'nothing is idle', options: { idleTimeout: 2 * HOUR } },
    );
    check(
      'use does not move the fixed end',
      async (start) => {
        const world = await start({ options });
        const cookie = cookieOf(await world.ask('/login'));
        for (let minutes = 0; minutes < 100; minutes += 20) {
          world.turn(20 * MINUTE);
          expect((await world.ask('/needed', { cookie })).status).toBe(200);
        }
        world.turn(21 * MINUTE);
        expect(codeOf(await world.ask('/needed', { cookie }))).toBe('session_expired');
      },
      { as: 'there is no fixed end', options: { duration: 400 * 24 * HOUR } },
    );
    check('an hour is the fixed end when nobody says otherwise', async (start) => {
      const world = await start();
      const cookie = cookieOf(await world.ask('/login'));
      world.turn(59 * MINUTE);
      expect((await world.ask('/needed', { cookie })).status).toBe(200);
      world.turn(2 * MINUTE);
      expect((await world.ask('/needed', { cookie })).status).toBe(401);
    });
  });

  row('ASVS 7.4.1', 'what is ended stays ended', () => {
    const stays = async (start: Start, backend?: Backend) => {
      const world = await start({ backend });
      const cookie = cookieOf(await world.ask('/login'));
      const slow = world.ask('/slow', { cookie });
      await Promise.race([slow, delay(50)]);
      expect((await world.ask('/logout', { cookie })).status).toBe(200);
      await world.release();
      expect((await slow).status).toBeGreaterThanOrEqual(400);
      await world.manager.flush();
      const after = await world.ask('/needed', { cookie });
      expect([after.status, codeOf(after)]).toEqual([401, 'session_ended']);
      expect((await world.manager.list()).items).toEqual([]);
    };
    const name = 'a slow request that saves after the logout brings nothing back';
    check(name, stays, { as: 'the store writes over what is there', store: overwriting });
    for (const [store, open] of Object.entries(STORES))
      check(`${name}, on ${store}`, async (start) => stays(start, await open()));
  });

  row('ASVS 7.4.2, 7.4.3, 7.4.5', 'all sessions of a user, all others, or any one are ended at once', () => {
    const blind = {
      as: 'the store lists nothing',
      store: (backend: Backend) =>
        weakened(backend, { list: async () => ({ items: [], next: undefined }) } as Partial<Backend>),
    };
    check(
      'by the user: all others, then all',
      async (start) => {
        const world = await start();
        const three = await logins(world, 3);
        const stranger = await world.ask('/login?user=bob');
        expect(await live(world, three)).toBe(3);
        await world.ask('/others', { cookie: cookieOf(three[0] as Answer) });
        expect(await live(world, three.slice(1))).toBe(0);
        expect(await live(world, three)).toBe(1);
        const more = await logins(world, 2);
        await world.ask('/all', { cookie: cookieOf(three[0] as Answer) });
        expect(await live(world, [...three, ...more])).toBe(0);
        expect(await live(world, [stranger])).toBe(1);
      },
      blind,
    );
    check(
      'by the user and by an operator, in every process on the store',
      async (start) => {
        const backend = memory();
        const [one, two] = [await start({ backend }), await start({ backend })];
        const all = [...(await logins(one, 2)), ...(await logins(two, 2))];
        expect(await live(two, all)).toBe(4);
        for (const { id } of (await one.manager.list({ user: 'ann', limit: 1 })).items)
          await one.manager.end(id, { name: 'operator' });
        expect([await live(one, all), await live(two, all)]).toEqual([3, 3]);
        await two.ask('/all', { cookie: cookieOf(all[3] as Answer) });
        expect([await live(one, all), await live(two, all)]).toEqual([0, 0]);
      },
      blind,
    );
  });

  row('ASVS 7.1.2', 'a user has no more sessions at a time than was settled', () => {
    const free = {
      as: 'places are not counted',
      store: (backend: Backend) => weakened(backend, { claim: async () => [] } as Partial<Backend>),
    };
    for (const full of ['refuse', 'oldest'] as const) {
      const limited = async (start: Start, backend?: Backend) => {
        const world = await start({ backend, options: { maxPerUser: { max: 3, full } } });
        const answers = await logins(world, 4);
        expect(await live(world, answers)).toBe(3);
        const refused = answers.filter(({ status }) => status === 429);
        expect(refused).toHaveLength(full === 'refuse' ? 1 : 0);
      };
      check(`of four logins at a time three live (${full})`, limited, free);
      check(`of four logins at a time three live (${full}), on Redis`, async (start) =>
        limited(start, (await onRedis()).backend),
      );
    }
  });

  row(
    'ASVS 7.5.1 to 7.5.3',
    'what is sensitive asks for a recent login; users see and end their sessions',
    () => {
      check(
        'an old login is told how new it has to be',
        async (start) => {
          const world = await start();
          const cookie = cookieOf(await world.ask('/login'));
          expect((await world.ask('/fresh', { cookie })).body).toBe('"paid"');
          world.turn(6 * MINUTE);
          const answer = await world.ask('/fresh', { cookie });
          expect([answer.status, codeOf(answer)]).toEqual([401, 'session_required']);
          expect(answer.body).toContain('"max_age":300');
          const again = cookieOf(await world.ask('/login', { cookie }));
          expect((await world.ask('/fresh', { cookie: again })).body).toBe('"paid"');
        },
        { as: 'any session will do', access: { require: 'session' } },
      );
      check('a user sees the own sessions only, without tokens, and ends one of them', async (start) => {
        const world = await start();
        const two = (await logins(world, 2)).map(cookieOf) as [string, string];
        const stranger = cookieOf(await world.ask('/login?user=bob'));
        const mine = await world.ask('/mine', { cookie: two[0] });
        const ids = (JSON.parse(mine.body) as { id: string }[]).map(({ id }) => id);
        expect(ids).toEqual(two.map((cookie) => tokenOf(cookie).split('.')[0]).sort());
        for (const cookie of two) expect(mine.body).not.toContain(tokenOf(cookie).split('.')[1]);
        const end = (cookie: string, whose: string) =>
          world.ask(`/end?id=${tokenOf(whose).split('.')[0]}`, { cookie });
        expect((await end(stranger, two[1])).body).toBe('false');
        expect((await end(two[0], two[1])).body).toBe('true');
        expect((await world.ask('/needed', { cookie: two[1] })).status).toBe(401);
        expect((await world.ask('/needed', { cookie: two[0] })).status).toBe(200);
      });
    },
  );
}
