import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, PASSWORD, startApp, startUpstream } from './app.js';
import { type Answer, cookieOf, idOf, send } from './client.js';
import { at, needed, Operator, related, shownTime } from './operator.js';

let app: App;
let operator: Operator;
let rows = 0;
let ok = 0;

beforeAll(async () => {
  const upstream = await startUpstream((request, response) => {
    if (request.method === 'POST') response.setHeader('x-session-user', 'ann');
    response.end('here');
  });
  app = await startApp(`
session: { auto_create: true, transport: { type: cookie }, backend: { type: memory } }
servers: { server1: { url: "${upstream}", steer: true } }
filters: { requests: { type: log }, "second one": { type: log, level: notice } }
services: { shop: { filters: [requests], router: { type: proxy, servers: [server1], sign_key: "${'0'.repeat(20)}" } } }
listeners: { public: { service: shop, port: 0 }, other: { service: shop, port: 0 } }
admin: { listen: "127.0.0.1:0" }
`);
  operator = new Operator(app.admin, 'admin', PASSWORD);
});

afterAll(() => {
  operator?.close();
  const line = `command-line clients: ${rows} rows, ${ok} ok`;
  console.log(line);
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder) appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
});

/** A test of one command. */
function row(command: string, run: () => Promise<void>): void {
  rows++;
  it(command, async () => {
    await run();
    ok++;
  });
}

/** A session as a browser has it. */
async function session(): Promise<{ id: string; visit: () => Promise<Answer> }> {
  const cookie = cookieOf(await send(app.public, { method: 'POST' }));
  return { id: idOf(cookie), visit: () => send(app.public, { headers: { cookie } }) };
}

const isAlive = async ({ visit }: { visit: () => Promise<Answer> }) => (await visit()).status === 200;
const of = (all: readonly unknown[], id: string) => all.find((one) => at(one, 'id') === id);
const parameters = (values: object) => ({ data: { attributes: { parameters: values } } });

/** The columns of a list of sessions. */
function listed(resource: unknown): void {
  needed(resource, 'id');
  expect(at(resource, 'attributes.user')).toBe('ann');
  expect(at(resource, 'attributes.remote')).toBe('127.0.0.1');
  const age = Date.now() - shownTime(resource, 'attributes.connected');
  expect(age).toBeGreaterThan(-2_000);
  expect(age).toBeLessThan(120_000);
  expect(at(resource, 'attributes.idle')).toEqual(expect.any(Number));
  expect(related(resource, 'services')).toEqual(['shop']);
}

/** The rows of one session. */
function detailed(resource: unknown): void {
  listed(resource);
  expect(at(resource, 'attributes.state')).toBe('Session started');
  expect(at(resource, 'attributes.port')).toEqual(expect.any(Number));
  expect(needed(resource, 'attributes.parameters')).toMatchObject({ log_info: false });
  expect(at(resource, 'attributes.client.cipher')).toBe('');
  for (const name of ['connections', 'queries', 'log'])
    expect(Array.isArray(needed(resource, `attributes.${name}`))).toBe(true);
  expect(needed(resource, 'attributes.memory')).toEqual(expect.any(Object));
}

describe('sessions', () => {
  row('list sessions', async () => {
    const { id } = await session();
    listed(of(await operator.list('sessions'), id));
  });

  row('list sessions --rdns', async () => {
    const { id } = await session();
    const one = of(await operator.list('sessions?rdns=true'), id);
    expect(at(one, 'attributes.remote')).toEqual(expect.any(String));
  });

  row('show session ID', async () => {
    const { id } = await session();
    detailed((await operator.get(`sessions/${id}`)).data);
  });

  row('show session ID --rdns', async () => {
    const { id } = await session();
    expect(at(await operator.get(`sessions/${id}?rdns=true`), 'data.id')).toBe(id);
  });

  row('show sessions', async () => {
    const { id } = await session();
    detailed(of(await operator.list('sessions/'), id));
  });

  row('show session of one that is not there', async () => {
    for (const id of ['s01k6y3v9qxm2r8t4w7z5b1c0d3', '12', 'nope']) {
      const { status, body } = await operator.refused('GET', `sessions/${id}`);
      expect(status).toBe(404);
      expect(JSON.parse(body)).toMatchObject({ errors: [{ detail: expect.any(String) }] });
    }
  });

  row('list queries', async () => {
    const { id, visit } = await session();
    const kept = needed(await operator.get('maxscale'), 'data.attributes.parameters.retain_last_statements');
    // Where nothing is kept, the client says so and asks no further.
    expect(kept).toBe(0);
    await operator.write('PATCH', 'maxscale', parameters({ retain_last_statements: 1 }));
    await visit();
    expect(at(await operator.get('maxscale'), 'data.attributes.parameters.retain_last_statements')).toBe(1);
    const all = await operator.list('sessions');
    expect(of(all, id)).toBeDefined();
    for (const one of all) {
      const queries = needed(one, 'attributes.queries') as readonly unknown[];
      expect(Array.isArray(queries)).toBe(true);
      for (const query of queries) {
        needed(query, 'statement');
        shownTime(query, 'received');
      }
    }
  });

  row('alter session ID log_info=true', async () => {
    const { id } = await session();
    await operator.write('PATCH', `sessions/${id}`, parameters({ log_info: true }));
    const shown = at(await operator.get(`sessions/${id}`), 'data.attributes.parameters');
    expect(shown).toMatchObject({ log_info: true, log_debug: false });
  });

  row('alter session ID log_info true log_warning false', async () => {
    const { id } = await session();
    await operator.write('PATCH', `sessions/${id}`, parameters({ log_info: true, log_warning: false }));
    const shown = at(await operator.get(`sessions/${id}`), 'data.attributes.parameters');
    expect(shown).toMatchObject({ log_info: true, log_warning: false });
  });

  row('alter session with what cannot be set', async () => {
    const { id } = await session();
    for (const values of [{ log_info: 1 }, { nonsense: true }, { log: { info: true } }]) {
      const { status, body } = await operator.refused('PATCH', `sessions/${id}`, parameters(values));
      expect([status, body]).toEqual([400, expect.stringContaining('data.attributes.parameters')]);
    }
  });

  row('alter session-filters ID', async () => {
    const { id } = await session();
    const body = (names: readonly (string | number)[]) => ({
      data: {
        type: 'services',
        relationships: { filters: { data: names.map((name) => ({ id: name, type: 'filters' })) } },
      },
    });
    const shown = async () => related((await operator.get(`sessions/${id}`)).data, 'filters');
    for (const names of [['second one'], ['second one', 'requests'], ['requests'], []]) {
      await operator.write('PATCH', `sessions/${id}`, body(names));
      expect(await shown()).toEqual(names);
    }
    for (const names of [['nope'], ['a', 'b'], [7]]) {
      const { status } = await operator.refused('PATCH', `sessions/${id}`, body(names));
      expect(status).toBe(400);
    }
  });

  row('destroy session ID', async () => {
    const one = await session();
    expect(await isAlive(one)).toBe(true);
    await operator.write('DELETE', `sessions/${one.id}?ttl=0`);
    expect(await isAlive(one)).toBe(false);
    expect((await operator.refused('GET', `sessions/${one.id}`)).status).toBe(404);
  });

  row('destroy session ID ID ID', async () => {
    const all = [await session(), await session(), await session()];
    await Promise.all(all.map(({ id }) => operator.write('DELETE', `sessions/${id}?ttl=0`)));
    for (const one of all) expect(await isAlive(one)).toBe(false);
  });

  row('destroy session of several, one of which is not there', async () => {
    const all = [await session(), await session()];
    const [first, last] = all.map(({ id }) => operator.write('DELETE', `sessions/${id}?ttl=0`));
    const gone = operator.refused('DELETE', 'sessions/s01k6y3v9qxm2r8t4w7z5b1c0d3?ttl=0');
    expect((await gone).status).toBe(404);
    await Promise.all([first, last]);
    for (const one of all) expect(await isAlive(one)).toBe(false);
  });

  row('destroy session ID --ttl=1', async () => {
    const one = await session();
    await operator.write('DELETE', `sessions/${one.id}?ttl=1`);
    expect(at(await operator.get(`sessions/${one.id}`), 'data.attributes.state')).toBe('Stopping session');
    expect(await isAlive(one)).toBe(true);
    await expect.poll(() => isAlive(one), { timeout: 5_000, interval: 200 }).toBe(false);
  });

  row('reload session ID', async () => {
    const one = await session();
    await operator.write('PATCH', `sessions/${one.id}`, parameters({ log_info: true }));
    await operator.write('POST', `sessions/${one.id}/restart`);
    expect(at(await operator.get(`sessions/${one.id}`), 'data.attributes.parameters.log_info')).toBe(true);
    expect(await isAlive(one)).toBe(true);
    const nobody = 'sessions/s01k6y3v9qxm2r8t4w7z5b1c0d3/restart';
    expect((await operator.refused('POST', nobody)).status).toBe(404);
    expect(app.log.map(({ msg }) => msg)).toContain('admin restarted the session');
  });

  row('reload sessions', async () => {
    const one = await session();
    await operator.write('POST', 'sessions/restart');
    expect(await isAlive(one)).toBe(true);
    expect(app.log.map(({ msg }) => msg)).toContain('admin restarted all sessions');
  });

  row('--skip-sync on every command', async () => {
    const one = await session();
    operator.skipSync = true;
    await operator.list('sessions');
    await operator.get(`sessions/${one.id}?rdns=true`);
    await operator.write('PATCH', `sessions/${one.id}`, parameters({ log_info: true }));
    await operator.write('POST', `sessions/${one.id}/restart`);
    await operator.write('DELETE', `sessions/${one.id}?ttl=0`);
    operator.skipSync = false;
    expect(operator.sent.slice(-2)).toEqual([
      `POST sessions/${one.id}/restart?sync=false`,
      `DELETE sessions/${one.id}?ttl=0&sync=false`,
    ]);
    expect(await isAlive(one)).toBe(false);
  });
});

describe('any resource', () => {
  row('api get, with brackets and quotes as they are sent', async () => {
    const { id } = await session();
    await session();
    const page = await operator.get('sessions?page[size]=1&page[number]=0&fields[sessions]=user');
    expect(page.data).toHaveLength(1);
    expect(at(page, 'data.0.attributes')).toEqual({ user: 'ann' });
    const filtered = await operator.list(`sessions?filter=/id=eq(%22${id}%22)`);
    expect(filtered.map((one) => at(one, 'id'))).toEqual([id]);
    const path = await operator.list(`sessions?filter[id]=or(eq(%22${id}%22),eq(%22x%22))`);
    expect(path).toHaveLength(1);
  });

  row('api patch and api post', async () => {
    const { id } = await session();
    await operator.write('PATCH', `sessions/${id}`, parameters({ log_error: true }));
    expect(at(await operator.get(`sessions/${id}`), 'data.attributes.parameters.log_error')).toBe(true);
    await operator.write('POST', `sessions/${id}/restart`, {});
  });

  row('create report', async () => {
    for (const resource of [
      'maxscale',
      'servers',
      'services',
      'monitors',
      'listeners',
      'filters',
      'sessions',
      'users',
      'maxscale/modules',
      'maxscale/query_classifier',
      'maxscale/threads',
      'maxscale/logs/data?page[size]=1000',
      'maxscale/debug/server_diagnostics',
    ])
      await operator.get(resource);
  });
});

describe('what sessions are linked to', () => {
  row('list services, show services, show service NAME', async () => {
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
  });

  row('list servers, show servers, show server NAME', async () => {
    await session();
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
  });

  row('list listeners, show listeners, show listener NAME', async () => {
    const all = await operator.list('listeners');
    expect(all.map((one) => at(one, 'id'))).toEqual(['other', 'public']);
    const shown = (await operator.get('listeners/public')).data;
    expect(at(shown, 'attributes.state')).toBe('Running');
    expect(String(at(shown, 'attributes.parameters.port'))).toBe(new URL(app.public).port);
    expect(related(shown, 'services')).toEqual(['shop']);
  });

  row('list filters, show filters, show filter NAME', async () => {
    for (const resource of ['filters', 'filters/']) {
      const all = await operator.list(resource);
      expect(all.map((one) => at(one, 'id'))).toEqual(['requests', 'second one']);
    }
    const shown = (await operator.get('filters/requests')).data;
    expect(at(shown, 'attributes.module')).toBe('log');
    expect(at(shown, 'attributes.parameters')).toEqual({});
    expect(related(shown, 'services')).toEqual(['shop']);
    expect(at(await operator.get('filters/second%20one'), 'data.id')).toBe('second one');
  });

  row('list monitors, which are none', async () => {
    for (const resource of ['monitors', 'monitors/']) expect(await operator.list(resource)).toEqual([]);
  });

  row('list threads, show threads, show thread 0', async () => {
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
  });

  row('list modules, show modules, show module NAME', async () => {
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
  });

  row('show maxscale', async () => {
    const shown = (await operator.get('maxscale')).data;
    needed(shown, 'attributes.parameters');
    expect(at(shown, 'attributes.version')).toMatch(/^\d+\.\d+\.\d+/);
    for (const name of ['started_at', 'activated_at']) shownTime(shown, `attributes.${name}`);
    expect(at(shown, 'attributes.uptime')).toEqual(expect.any(Number));
    expect(at(shown, 'attributes.parameters.admin_port')).toBe(Number(new URL(app.admin).port));
  });

  row('show logging, and flush logs', async () => {
    const shown = (await operator.get('maxscale/logs')).data;
    expect(at(shown, 'attributes.log_file')).toBe('stderr');
    expect(at(shown, 'attributes.log_priorities')).toContain('notice');
    const log = at(await operator.get('maxscale/logs/data?page[size]=1000'), 'data.attributes.log');
    const messages = (log as readonly unknown[]).map((line) => at(line, 'message'));
    expect(messages).toContain(`listening: public ${app.public} -> shop`);
    expect(app.log.map(({ msg }) => msg)).toEqual(messages);
    await operator.write('POST', 'maxscale/logs/flush/');
  });
});

describe('settings, start and stop', () => {
  row('alter maxscale session_trace=20', async () => {
    await operator.write('PATCH', 'maxscale', parameters({ session_trace: 20 }));
    expect(at(await operator.get('maxscale'), 'data.attributes.parameters.session_trace')).toBe(20);
    const { status } = await operator.refused('PATCH', 'maxscale', parameters({ threads: 4 }));
    expect(status).toBe(400);
  });

  row('alter service NAME session_trace 5', async () => {
    await operator.write('PATCH', 'services/shop', parameters({ session_trace: 5 }));
    expect(at(await operator.get('services/shop'), 'data.attributes.parameters.session_trace')).toBe(5);
  });

  row('stop service NAME, and start service NAME', async () => {
    const one = await session();
    for (const force of ['', '?force=yes']) {
      await operator.write('PUT', `services/shop/stop${force}`);
      expect((await one.visit()).status).toBe(503);
      expect(at(await operator.get('services/shop'), 'data.attributes.state')).toBe('Stopped');
      await operator.write('PUT', 'services/shop/start');
      expect(await isAlive(one)).toBe(true);
    }
  });

  row('stop listener NAME, and start listener NAME', async () => {
    for (const force of ['', '?force=yes']) {
      await operator.write('PUT', `listeners/other/stop${force}`);
      await expect(send(app.url('other'))).rejects.toThrow('ECONNREFUSED');
      expect(at(await operator.get('listeners/other'), 'data.attributes.state')).toBe('Stopped');
      await operator.write('PUT', 'listeners/other/start');
      expect((await send(app.url('other'))).status).toBe(200);
    }
  });
});

describe('users', () => {
  const user = (id: string, attributes: object) => ({ data: { id, type: 'inet', attributes } });

  row('create user, alter user, list users, show user, destroy user', async () => {
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
    const [old, now] = ['first of bob', 'second of bob'].map((word) => new Operator(app.admin, 'bob', word));
    expect((await old?.refused('GET', 'sessions'))?.status).toBe(401);
    await now?.list('sessions');

    await operator.write('DELETE', 'users/inet/bob');
    expect((await now?.refused('GET', 'sessions'))?.status).toBe(401);
    expect((await operator.refused('DELETE', 'users/inet/bob')).status).toBe(404);
    expect((await operator.refused('DELETE', 'users/inet/admin')).status).toBe(400);
    old?.close();
    now?.close();
  });

  row('as a basic user, who may read and no more', async () => {
    await operator.write('POST', 'users/inet', user('eve', { password: 'only looks', account: 'basic' }));
    const eve = new Operator(app.admin, 'eve', 'only looks');
    const one = await session();
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
  });
});

describe('several hosts', () => {
  row('ping all of them before the command', async () => {
    const replies = await Promise.all([operator.send('GET', ''), operator.send('GET', '')]);
    expect(replies).toEqual([
      { status: 200, body: '' },
      { status: 200, body: '' },
    ]);
    const stranger = new Operator(app.admin, 'admin', 'wrong');
    expect((await stranger.send('GET', '')).status).toBe(401);
    stranger.close();
  });
});

describe('a client', () => {
  it('would notice what is missing: an API that lacks what clients need fails its rows', async () => {
    const broken = await startUpstream((_request, response) => {
      response.end(
        '{"data":{"id":"s1","attributes":{"connected":"Thu Jul 20 15:20:16 2023","queries":null}}}',
      );
    });
    const client = new Operator(broken, 'admin', 'x');
    await expect(client.list('sessions')).rejects.toThrow();
    await expect(client.write('DELETE', 'sessions/s1?ttl=0')).rejects.toThrow();
    const { data } = await client.get('sessions/s1');
    expect(() => shownTime(data, 'attributes.connected')).toThrow();
    expect(() => needed(data, 'attributes.parameters')).toThrow();
    expect(() => shownTime(data, 'attributes.queries')).toThrow();
    client.close();
  });
});
