import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { startRelayedCouchbase } from '@sessionkit/test-stores/couchbase';
import { startMariadb } from '@sessionkit/test-stores/mariadb';
import { startMemcached } from '@sessionkit/test-stores/memcached';
import { startPostgres } from '@sessionkit/test-stores/postgres';
import { startRedis } from '@sessionkit/test-stores/redis';
import { afterAll, describe, expect, it } from 'vitest';
import { config, OPERATOR, run, startApp, startUpstream, until } from './app.js';
import { cookieOf, idOf, problemOf, send } from './client.js';

const folders: string[] = [];

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder from which the store packages are found, as where somebody installed them beside the configuration. */
function project(): string {
  const folder = mkdtempSync(join(import.meta.dirname, '..', '.app-'));
  folders.push(folder);
  return folder;
}

function counting(request: IncomingMessage, response: ServerResponse): void {
  const data = request.headers['x-session-data'];
  const { n = 0 } = data === undefined ? {} : JSON.parse(Buffer.from(String(data), 'base64url').toString());
  response.setHeader('x-session-data', Buffer.from(JSON.stringify({ n: n + 1 })).toString('base64url'));
  response.end(`visit ${n + 1} of ${request.headers['x-session-user'] ?? 'nobody'}`);
}

const session = (backend: string) =>
  `{ auto_create: true, transport: { type: cookie }, backend: ${backend} }`;

/** Two gateways on one store: a session goes on in the other one, and an operator ends it from there. */
async function twoGateways(backend: string, resource: string): Promise<void> {
  const yaml = config(await startUpstream(counting), {
    session: session(backend),
    more: `resources: { store: ${resource} }\n`,
  });
  const [one, two] = await Promise.all([
    startApp(yaml, { cwd: project() }),
    startApp(yaml, { cwd: project() }),
  ]);
  const first = await send(one.public);
  const headers = { cookie: cookieOf(first) };
  expect((await send(two.public, { headers })).body).toBe('visit 2 of nobody');
  expect((await send(one.public, { headers })).body).toBe('visit 3 of nobody');
  const id = idOf(headers.cookie);
  const list = await send(`${two.admin}/v1/sessions`, { headers: OPERATOR });
  expect((JSON.parse(list.body) as { data: { id: string }[] }).data.map((row) => row.id)).toEqual([id]);
  const ended = await send(`${two.admin}/v1/sessions/${id}`, { method: 'DELETE', headers: OPERATOR });
  expect(ended.status).toBe(204);
  expect(problemOf(await send(one.public, { headers }))).toMatchObject({
    status: 401,
    code: 'session_ended',
  });
  expect((await send(one.public)).body).toBe('visit 1 of nobody');
  expect(await Promise.all([one.stop(), two.stop()])).toEqual([0, 0]);
}

describe('two gateways on one store', () => {
  it('serve one session from Redis', async () => {
    const redis = await startRedis();
    try {
      await twoGateways(
        '{ type: redis, resource: store, sid_field: token }',
        `{ _class: redis, url: "${redis.url}" }`,
      );
    } finally {
      await redis.stop();
    }
  });

  it('serve one session from MariaDB', async () => {
    const mariadb = await startMariadb();
    try {
      const { hostname, port, username, pathname } = new URL(mariadb.url);
      await twoGateways(
        '{ type: mysql, resource: store, table: sessions, sid_field: token_sess, create_table: true }',
        `{ _class: mysql, server: { host: ${hostname}, port: ${port}, user: ${username}, database: ${pathname.slice(1)} } }`,
      );
    } finally {
      await mariadb.stop();
    }
  });

  it('serve one session from memcached', async () => {
    const memcached = await startMemcached({ own: true });
    try {
      await twoGateways(
        '{ type: memcache, resource: store, sid_field: token }',
        `{ _class: memcache, host: ${memcached.host}, port: ${memcached.port} }`,
      );
    } finally {
      await memcached.stop();
    }
  });

  it('serve one session from Couchbase, of which there is a double where the environment names none', async () => {
    const { url, user, password, bucket, connections, stop } = await startRelayedCouchbase();
    try {
      await twoGateways(
        `{ type: couchbase, resource: store, key_ns: "gateways ${randomUUID()}:" }`,
        `{ _class: couchbase, cluster: "${url}", bucket: ${bucket}, user: ${user}, password: "${password}" }`,
      );
      // Each gateway has given its connections back, those of the thread that lists among them.
      await expect.poll(connections, { timeout: 5_000 }).toBe(0);
    } finally {
      await stop();
    }
  });

  it('serve one session from PostgreSQL', async () => {
    const postgres = await startPostgres();
    try {
      const { hostname, port, username, pathname } = new URL(postgres.url);
      await twoGateways(
        '{ type: postgres, resource: store, table: sessions, sid_field: sid, create_table: true }',
        `{ _class: postgres, server: { host: ${hostname}, port: ${port}, user: ${username}, database: ${pathname.slice(1)} } }`,
      );
    } finally {
      await postgres.stop();
    }
  });
});

describe('a store that evicts says so when a gateway starts', () => {
  const says = async (warning: RegExp, backend: string, resource: string) => {
    const more = `resources: { store: ${resource} }\n`;
    const yaml = config(await startUpstream(counting), { session: session(backend), more });
    const app = await startApp(yaml, { cwd: project() });
    await until('the warning', () => warning.test(app.stderr));
    expect(await app.stop()).toBe(0);
  };

  it('Redis, by its policy', async () => {
    const redis = await startRedis({ args: ['--maxmemory-policy', 'allkeys-lru'] });
    try {
      await says(
        /maxmemory-policy is allkeys-lru: when memory runs out Redis drops sessions/,
        '{ type: redis, resource: store }',
        `{ _class: redis, url: "${redis.url}" }`,
      );
    } finally {
      await redis.stop();
    }
  });

  it('memcached, unless it was told not to', async () => {
    const memcached = await startMemcached({ own: true });
    try {
      await says(
        /evicts: when its memory \(64 MiB\) is full it drops sessions/,
        '{ type: memcache, resource: store }',
        `{ _class: memcache, host: ${memcached.host}, port: ${memcached.port} }`,
      );
    } finally {
      await memcached.stop();
    }
  });
});

describe('sessionkit sql', () => {
  it('prints the statements for the configured names, and none where none is needed', async () => {
    const folder = project();
    const file = join(folder, 'sessionkit.yaml');
    const backend = '{ type: postgres, resource: store, table: visits, sid_field: token }';
    const more =
      'resources: { store: { _class: postgres, server: { host: 127.0.0.1, user: shop, database: shop } } }\n';
    writeFileSync(file, config('http://127.0.0.1:9', { session: session(backend), more }));
    const { code, stdout } = await run(['sql', '--config', file]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/create table if not exists "?visits"? \(\s+"?token"? text/i);
    writeFileSync(file, config('http://127.0.0.1:9'));
    expect(await run(['sql', '--config', file])).toEqual({
      code: 0,
      stdout: '',
      stderr: 'no backend of this configuration needs any SQL\n',
    });
  });
});
