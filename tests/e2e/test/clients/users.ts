import { expect } from 'vitest';
import { at, Operator, shownTime } from '../operator.js';
import { isAlive, login, of, type Row } from './context.js';

const user = (id: string, attributes: object) => ({ data: { id, type: 'inet', attributes } });

export const USER_ROWS: readonly Row[] = [
  [
    'create user, alter user, list users, show user, destroy user',
    async (context) => {
      const { app, operator } = context;
      await operator.write('POST', 'users/inet', user('bob', { password: 'first of bob', account: 'basic' }));
      const listedUser = of(await operator.list('users/inet'), 'bob');
      expect(at(listedUser, 'type')).toBe('inet');
      expect(at(listedUser, 'attributes.account')).toBe('basic');
      shownTime(listedUser, 'attributes.created');
      expect(of(await operator.list('users'), 'bob')).toBeDefined();
      expect(at(await operator.get('users/inet/bob'), 'data.attributes.name')).toBe('bob');

      const again = user('bob', { password: 'x', account: 'basic' });
      expect((await operator.refused('POST', 'users/inet', again)).status).toBe(400);

      await operator.write('PATCH', 'users/inet/bob', user('bob', { password: 'second of bob' }));
      const [old, now] = ['first of bob', 'second of bob'].map(
        (word) => new Operator(app.admin, 'bob', word),
      );
      expect((await old?.refused('GET', 'sessions'))?.status).toBe(401);
      await now?.list('sessions');

      await operator.write('DELETE', 'users/inet/bob');
      expect((await now?.refused('GET', 'sessions'))?.status).toBe(401);
      expect((await operator.refused('DELETE', 'users/inet/bob')).status).toBe(404);
      expect((await operator.refused('DELETE', 'users/inet/admin')).status).toBe(400);
      old?.close();
      now?.close();
    },
  ],
  [
    'as a basic user, who may read and no more',
    async (context) => {
      const { app, operator } = context;
      await operator.write('POST', 'users/inet', user('eve', { password: 'only looks', account: 'basic' }));
      const eve = new Operator(app.admin, 'eve', 'only looks');
      const one = await login(context);
      await eve.list('sessions');
      await eve.get('maxscale/logs/data?page[size]=1000');
      for (const [method, resource] of [
        ['DELETE', `sessions/${one.id}?ttl=0`],
        ['POST', `sessions/${one.id}/restart`],
        ['PUT', 'services/shop/stop'],
      ] as const)
        expect((await eve.refused(method, resource)).status).toBe(401);
      expect(await isAlive(one)).toBe(true);
      eve.close();
    },
  ],
  [
    'ping all of them before the command',
    async (context) => {
      const { app, operator } = context;
      const replies = await Promise.all([operator.send('GET', ''), operator.send('GET', '')]);
      expect(replies).toEqual([
        { status: 200, body: '' },
        { status: 200, body: '' },
      ]);
      const stranger = new Operator(app.admin, 'admin', 'wrong');
      expect((await stranger.send('GET', '')).status).toBe(401);
      stranger.close();
    },
  ],
];
