import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startPostgres } from '@sessionkit/test-stores/postgres';
import { startRedis } from '@sessionkit/test-stores/redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPERATOR, PASSWORD, Program, repository, run, startUpstream, until } from './app.js';
import { cookieOf, idOf, problemOf, send } from './client.js';

const adminApi = join(repository, 'apps', 'admin-api', 'bin', 'admin-api.mjs');
const env = { SESSIONKIT_ADMIN_PASSWORD: PASSWORD };
const folders: string[] = [];

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder from which the packages are found, as where somebody installed them beside the configuration. */
function project(): string {
  const folder = mkdtempSync(join(import.meta.dirname, '..', '.app-'));
  folders.push(folder);
  return folder;
}

interface Store {
  readonly backend: string;
  readonly resource: string;
  stop(): Promise<void>;
}

/** Servers of their own, also where the environment names one: they are stopped. */
const STORES: Readonly<Record<string, () => Promise<Store>>> = {
  async Redis() {
    const redis = await startRedis({ durable: false });
    return {
      backend: '{ type: redis, resource: store, sid_field: token }',
      resource: `{ _class: redis, url: "${redis.url}" }`,
      stop: () => redis.stop(),
    };
  },
  async PostgreSQL() {
    const postgres = await startPostgres({ durable: false });
    const { hostname, port, username, pathname } = new URL(postgres.url);
    return {
      backend: '{ type: postgres, resource: store, table: alone, sid_field: sid, create_table: true }',
      resource: `{ _class: postgres, server: { host: ${hostname}, port: ${port}, user: ${username}, database: ${pathname.slice(1)} } }`,
      stop: () => postgres.stop(),
    };
  },
};

/** What two processes share: the same services on the same store. */
function yamlOf(
  upstream: string,
  { backend, resource }: Pick<Store, 'backend' | 'resource'>,
  admin: string,
): string {
  return `
session: { auto_create: true, transport: { type: cookie }, backend: ${backend} }
resources: { store: ${resource} }
servers: { up: { url: "${upstream}", steer: true } }
services: { shop: { router: { type: proxy, servers: [up] } } }
listeners: { public: { service: shop, port: 0 } }
store_deadline: 1
admin: ${admin}
`;
}

async function start(program: Program, name: string): Promise<string> {
  const found = () => new RegExp(`listening: ${name} (http://[^ "\\n]+)`).exec(program.stderr)?.[1];
  const early = program.ended.then((code) => {
    throw new Error(`it ended (${code}) before it listened:\n${program.output}`);
  });
  early.catch(() => {});
  return Promise.race([until(`the listener ${name}`, found), early]);
}

/** The gateway, without an admin API, and the admin API alone, as two processes. */
async function twoProcesses(store: Pick<Store, 'backend' | 'resource'>) {
  const upstream = await startUpstream((request, response) => {
    if (request.url === '/login') response.setHeader('x-session-user', 'alice');
    response.end(String(request.headers['x-session-user'] ?? 'nobody'));
  });
  const folder = project();
  writeFileSync(join(folder, 'gateway.yaml'), yamlOf(upstream, store, 'false'));
  writeFileSync(join(folder, 'admin.yaml'), yamlOf(upstream, store, '{ listen: "127.0.0.1:0" }'));
  const gateway = new Program(['serve', '--config', 'gateway.yaml'], { cwd: folder });
  const alone = new Program(['--config', 'admin.yaml'], { cwd: folder, env, script: adminApi });
  return {
    gateway,
    alone,
    public: await start(gateway, 'public'),
    admin: await start(alone, 'admin'),
  };
}

interface Document {
  readonly data: readonly {
    readonly id: string;
    readonly attributes: Readonly<Record<string, unknown>>;
    readonly relationships: Readonly<Record<string, { readonly data: readonly { readonly id: string }[] }>>;
  }[];
  readonly meta: { readonly unknown: readonly string[] };
}

describe.each(Object.entries(STORES))(
  'the admin API alone, over %s that another process writes',
  (_name, makeStore) => {
    let store: Store;
    let both: Awaited<ReturnType<typeof twoProcesses>>;
    const ask = (method: string, path: string, body?: string) =>
      send(`${both.admin}${path}`, { method, headers: OPERATOR, body });
    const read = async (path: string) => JSON.parse((await ask('GET', path)).body) as Document;

    beforeAll(async () => {
      store = await makeStore();
      both = await twoProcesses(store);
    });

    afterAll(async () => {
      expect(await both.alone.stop()).toBe(0);
      await both.gateway.stop('SIGKILL');
      await store.stop();
    });

    it('lists, shows, alters and ends the sessions of that process', async () => {
      const shop = both.public;
      const cookie = cookieOf(await send(`${shop}/login`));
      const headers = { cookie };
      const id = idOf(cookie);
      const other = idOf(cookieOf(await send(shop)));

      const list = await read('/v1/sessions');
      expect(list.data.map((row) => row.id)).toEqual([id, other].sort());
      const one = list.data.find((row) => row.id === id);
      expect(one).toMatchObject({
        attributes: { user: 'alice', remote: '127.0.0.1', state: 'Session started' },
        relationships: { services: { data: [{ id: 'shop' }] } },
      });
      const alices = await read('/v1/sessions?filter=/attributes/user="alice"&page[size]=10');
      expect(alices.data.map((row) => row.id)).toEqual([id]);

      const altered = '{"data":{"attributes":{"parameters":{"log_info":true}}}}';
      expect((await ask('PATCH', `/v1/sessions/${id}`, altered)).status).toBe(204);
      // The other process keeps what this one has changed.
      expect((await send(shop, { headers })).body).toBe('alice');
      const shown = JSON.parse((await ask('GET', `/v1/sessions/${id}`)).body) as {
        data: Document['data'][number];
      };
      expect(shown.data.attributes).toMatchObject({
        user: 'alice',
        parameters: { log_info: true, log_error: false },
      });

      expect((await ask('DELETE', `/v1/sessions/${id}`)).status).toBe(204);
      expect(problemOf(await send(shop, { headers }))).toMatchObject({ status: 401, code: 'session_ended' });
      expect((await ask('GET', `/v1/sessions/${id}`)).status).toBe(404);

      expect((await ask('DELETE', `/sessions/${other}?ttl=1`)).status).toBe(204);
      await until('the end of the session', async () => (await read('/v1/sessions')).data.length === 0);
      const shell = await run(['sessions', 'list', '--json', '--url', both.admin], { env });
      expect(shell).toEqual({ code: 0, stdout: '[]\n', stderr: '' });
    });

    it('names what it cannot know, and claims nothing of listeners that are not its own', async () => {
      const id = idOf(cookieOf(await send(both.public)));
      const list = await read('/v1/sessions');
      expect(list.meta.unknown).toEqual(['memory/data', 'memory/total']);
      expect(list.data[0]?.attributes.memory).toEqual({ connection_buffers: { total: 0 } });
      expect((await read(`/v1/sessions/${id}`)).meta.unknown).toEqual([]);

      const services = await read('/v1/services');
      expect(services.data.map((service) => service.id)).toEqual(['shop']);
      for (const listener of (await read('/v1/listeners')).data)
        expect(listener.attributes.state).not.toBe('Running');
    });

    it('says that the store is down, and never that there is no session', async () => {
      const id = idOf(cookieOf(await send(both.public)));
      expect((await ask('GET', `/v1/sessions/${id}`)).status).toBe(200);
      await store.stop();
      for (const path of ['/v1/sessions', '/sessions', `/v1/sessions/${id}`, `/sessions/${id}`, '/readyz'])
        expect([path, (await ask('GET', path)).status]).toEqual([path, 503]);
      const shell = await run(['sessions', 'list', '--url', both.admin], { env });
      expect(shell).toMatchObject({ code: 1, stdout: '' });
      expect(shell.stderr).toMatch(/^error: The session store .*\(503 Service Unavailable\)\n$/);
    });
  },
);

describe('the admin API alone', () => {
  it('over sessions that live in the memory of another process says that it sees none', async () => {
    const folder = project();
    const memory = { backend: '{ type: memory }', resource: '{ _class: redis, url: "redis://127.0.0.1:1" }' };
    writeFileSync(
      join(folder, 'admin.yaml'),
      yamlOf('http://127.0.0.1:9', memory, '{ listen: "127.0.0.1:0" }'),
    );
    const alone = new Program(['--config', 'admin.yaml'], { cwd: folder, env, script: adminApi });
    const admin = await start(alone, 'admin');
    expect(alone.stderr).toMatch(
      /warning: the sessions of service shop are in a memory backend.*Use a shared store/,
    );
    const list = await send(`${admin}/v1/sessions`, { headers: OPERATOR });
    expect((JSON.parse(list.body) as Document).data).toEqual([]);
    expect(await alone.stop()).toBe(0);
  });
});
