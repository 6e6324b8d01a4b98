import { expect } from 'vitest';
import { send } from '../client.js';
import { at, needed, related, shownTime } from '../operator.js';
import { isAlive, login, parameters, type Row } from './context.js';

/** Commands around what sessions are linked to. */
export const RESOURCE_ROWS: readonly Row[] = [
  [
    'list services, show services, show service NAME',
    async (context) => {
      const { operator } = context;
      for (const resource of ['services', 'services/']) {
        const [one] = await operator.list(resource);
        expect(at(one, 'id')).toBe('shop');
        for (const name of ['router', 'state'])
          expect(at(one, `attributes.${name}`)).toEqual(expect.any(String));
        for (const name of ['connections', 'total_connections', 'max_connections'])
          expect(at(one, `attributes.statistics.${name}`)).toEqual(expect.any(Number));
        expect(related(one, 'servers')).toEqual(['server1']);
      }
      const shown = (await operator.get('services/shop')).data;
      shownTime(shown, 'attributes.started');
      expect(at(shown, 'attributes.parameters')).toMatchObject({ auto_create: true, response_timeout: 30 });
      expect(at(shown, 'attributes.parameters')).not.toHaveProperty('sign_key');
      for (const name of ['listeners', 'users'])
        expect(Array.isArray(at(shown, `attributes.${name}`))).toBe(true);
      expect(at(shown, 'attributes.source.file')).toMatch(/sessionkit\.yaml$/);
      expect((await operator.refused('GET', 'services/nope')).status).toBe(404);
    },
  ],
  [
    'list servers, show servers, show server NAME',
    async (context) => {
      const { operator } = context;
      await login(context);
      for (const resource of ['servers', 'servers/']) {
        const [one] = await operator.list(resource);
        needed(one, 'attributes');
        expect(needed(one, 'attributes.parameters')).toMatchObject({
          address: '127.0.0.1',
          port: expect.any(Number),
          socket: null,
        });
        expect(at(one, 'attributes.state')).toBe('Running');
        expect(at(one, 'attributes.statistics.connections')).toBeGreaterThan(0);
        shownTime(one, 'attributes.triggered_at');
        expect(related(one, 'services')).toEqual(['shop']);
      }
      expect(at(await operator.get('servers/server1'), 'data.id')).toBe('server1');
    },
  ],
  [
    'list listeners, show listeners, show listener NAME',
    async (context) => {
      const { app, operator } = context;
      const all = await operator.list('listeners');
      expect(all.map((one) => at(one, 'id'))).toEqual(['other', 'public']);
      const shown = (await operator.get('listeners/public')).data;
      expect(at(shown, 'attributes.state')).toBe('Running');
      expect(String(at(shown, 'attributes.parameters.port'))).toBe(new URL(app.public).port);
      expect(related(shown, 'services')).toEqual(['shop']);
    },
  ],
  [
    'list filters, show filters, show filter NAME',
    async (context) => {
      const { operator } = context;
      for (const resource of ['filters', 'filters/']) {
        const all = await operator.list(resource);
        expect(all.map((one) => at(one, 'id'))).toEqual(['requests', 'second one']);
      }
      const shown = (await operator.get('filters/requests')).data;
      expect(at(shown, 'attributes.module')).toBe('log');
      expect(at(shown, 'attributes.parameters')).toEqual({});
      expect(related(shown, 'services')).toEqual(['shop']);
      expect(at(await operator.get('filters/second%20one'), 'data.id')).toBe('second one');
    },
  ],
  [
    'list monitors, which are none',
    async (context) => {
      const { operator } = context;
      for (const resource of ['monitors', 'monitors/']) expect(await operator.list(resource)).toEqual([]);
    },
  ],
  [
    'list threads, show threads, show thread 0',
    async (context) => {
      const { operator } = context;
      for (const resource of ['maxscale/threads', 'maxscale/threads/']) {
        const [one] = await operator.list(resource);
        expect(at(one, 'id')).toBe('0');
        for (const name of [
          'load.last_second',
          'load.last_minute',
          'load.last_hour',
          'memory.total',
          'accepts',
        ])
          expect(at(one, `attributes.stats.${name}`)).toEqual(expect.any(Number));
        expect(at(one, 'attributes.stats.listening')).toBe(true);
      }
      expect(at(await operator.get('maxscale/threads/0'), 'data.attributes.stats.state')).toBe('Active');
    },
  ],
  [
    'list modules, show modules, show module NAME',
    async (context) => {
      const { operator } = context;
      const all = await operator.list('maxscale/modules');
      expect(all.map((one) => at(one, 'id'))).toEqual([
        'backend-memory',
        'filter-log',
        'router-proxy',
        'transport-cookie',
      ]);
      const shown = (await operator.get('maxscale/modules/router-proxy')).data;
      expect(at(shown, 'attributes.module_type')).toBe('router');
      expect(at(shown, 'attributes.version')).toMatch(/^\d+\.\d+\.\d+/);
      for (const name of ['parameters', 'commands'])
        expect(Array.isArray(needed(shown, `attributes.${name}`))).toBe(true);
    },
  ],
  [
    'show maxscale',
    async (context) => {
      const { app, operator } = context;
      const shown = (await operator.get('maxscale')).data;
      needed(shown, 'attributes.parameters');
      expect(at(shown, 'attributes.version')).toMatch(/^\d+\.\d+\.\d+/);
      for (const name of ['started_at', 'activated_at']) shownTime(shown, `attributes.${name}`);
      expect(at(shown, 'attributes.uptime')).toEqual(expect.any(Number));
      expect(at(shown, 'attributes.parameters.admin_port')).toBe(Number(new URL(app.admin).port));
    },
  ],
  [
    'show logging, and flush logs',
    async (context) => {
      const { app, operator } = context;
      const shown = (await operator.get('maxscale/logs')).data;
      expect(at(shown, 'attributes.log_file')).toBe('stderr');
      expect(at(shown, 'attributes.log_priorities')).toContain('notice');
      const log = at(await operator.get('maxscale/logs/data?page[size]=1000'), 'data.attributes.log');
      const messages = (log as readonly unknown[]).map((line) => at(line, 'message'));
      expect(messages).toContain(`listening: public ${app.public} -> shop`);
      expect(app.log.map(({ msg }) => msg)).toEqual(messages);
      await operator.write('POST', 'maxscale/logs/flush/');
    },
  ],
  [
    'alter maxscale session_trace=20',
    async (context) => {
      const { operator } = context;
      await operator.write('PATCH', 'maxscale', parameters({ session_trace: 20 }));
      expect(at(await operator.get('maxscale'), 'data.attributes.parameters.session_trace')).toBe(20);
      const { status } = await operator.refused('PATCH', 'maxscale', parameters({ threads: 4 }));
      expect(status).toBe(400);
    },
  ],
  [
    'alter service NAME session_trace 5',
    async (context) => {
      const { operator } = context;
      await operator.write('PATCH', 'services/shop', parameters({ session_trace: 5 }));
      expect(at(await operator.get('services/shop'), 'data.attributes.parameters.session_trace')).toBe(5);
    },
  ],
  [
    'stop service NAME, and start service NAME',
    async (context) => {
      const { operator } = context;
      const one = await login(context);
      for (const force of ['', '?force=yes']) {
        await operator.write('PUT', `services/shop/stop${force}`);
        expect((await one.visit()).status).toBe(503);
        expect(at(await operator.get('services/shop'), 'data.attributes.state')).toBe('Stopped');
        await operator.write('PUT', 'services/shop/start');
        expect(await isAlive(one)).toBe(true);
      }
    },
  ],
  [
    'stop listener NAME, and start listener NAME',
    async (context) => {
      const { app, operator } = context;
      for (const force of ['', '?force=yes']) {
        await operator.write('PUT', `listeners/other/stop${force}`);
        await expect(send(app.url('other'))).rejects.toThrow('ECONNREFUSED');
        expect(at(await operator.get('listeners/other'), 'data.attributes.state')).toBe('Stopped');
        await operator.write('PUT', 'listeners/other/start');
        expect((await send(app.url('other'))).status).toBe(200);
      }
    },
  ],
];
