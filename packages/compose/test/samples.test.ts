import { startMariadb } from '@sessionkit/test-stores/mariadb';
import { startPostgres } from '@sessionkit/test-stores/postgres';
import { startRedis } from '@sessionkit/test-stores/redis';
import { createConnection } from 'mysql2/promise';
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { type CheckedConfig, compose, sqlOf } from '../src/index.js';
import { printed, read } from './reading.js';
import { visitTwice } from './visits.js';

/** Runs a configuration and lets a client come back with its token; answers the header fields that handed it out. */
async function visited(config: CheckedConfig): Promise<string[]> {
  const composition = await compose(config);
  try {
    const service = composition.services.get('api')?.service;
    if (service === undefined) throw new Error('no service');
    const { fields, ...seen } = await visitTwice(service, 'sid');
    expect(seen).toEqual({ sameId: true, user: 'ann', isNew: false, visits: 1 });
    return fields.map(([header]) => header.toLowerCase());
  } finally {
    await composition.close();
  }
}

describe("the samples of the SXAPI session manager's document", () => {
  it.each([
    ['main', 'cookie', 'set-cookie'],
    ['token', 'token', 'session-token'],
    ['cookie', 'cookie', 'set-cookie'],
    ['bearer', 'bearer', 'authorization'],
    ['memory', 'cookie', 'set-cookie'],
  ])(
    '%s runs as written: a client that comes back with its token finds its session',
    async (name, type, field) => {
      const { config, error } = await read(`samples/${name}.yaml`);
      if (config === undefined) throw error;
      expect(config.services.get('api')?.session?.transports.map((transport) => transport.type)).toEqual([
        type,
      ]);
      expect(await visited(config)).toContain(field);
    },
  );

  it('redis runs as written on a real server', async () => {
    const redis = await startRedis();
    try {
      const { config, error } = await read('samples/redis.yaml', undefined, { REDIS_URL: redis.url });
      if (config === undefined) throw error;
      expect(sqlOf(config)).toEqual([]);
      expect(await visited(config)).toContain('set-cookie');
    } finally {
      await redis.stop();
    }
  });

  it('postgres runs as written on a real server, with the tables that its own statements make', async () => {
    const server = await startPostgres();
    const client = new Client(server.url);
    try {
      const { hostname, port, username, pathname } = new URL(server.url);
      const place = { DB_HOST: hostname, DB_PORT: port, DB_USER: username, DB_NAME: pathname.slice(1) };
      const { config, error } = await read('samples/postgres.yaml', undefined, place);
      if (config === undefined) throw error;
      await expect(compose(config)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
      await client.connect();
      for (const text of sqlOf(config)) await client.query(text);
      expect(await visited(config)).toContain('set-cookie');
      const { rows } = await client.query(
        'select token_sess, ip_sess, stop_sess > start_sess as ends from sessions',
      );
      expect(rows).toEqual([
        { token_sess: expect.stringMatching(/^s[0-9a-z]{26}$/), ip_sess: '127.0.0.1', ends: true },
      ]);
    } finally {
      await client.end();
      await server.stop();
    }
  });

  it('mysql runs as written on a real server, with the tables that its own statements make', async () => {
    const server = await startMariadb();
    const client = await createConnection({ uri: server.url, multipleStatements: true });
    try {
      const { hostname, port, pathname } = new URL(server.url);
      const place = { DB_HOST: hostname, DB_PORT: port, DB_NAME: pathname.slice(1) };
      await client.query(
        "create or replace user sxapi identified by 'sxapi'; grant all on *.* to sxapi; drop table if exists sessions",
      );
      const { config, error } = await read('samples/mysql.yaml', undefined, place);
      if (config === undefined) throw error;
      await expect(compose(config)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
      for (const text of sqlOf(config)) await client.query(text);
      expect(await visited(config)).toContain('set-cookie');
      const [rows] = await client.query('select token_sess, ip_sess from sessions');
      expect(rows).toEqual([{ token_sess: expect.anything(), ip_sess: '127.0.0.1' }]);
    } finally {
      await client.end();
      await server.stop();
    }
  });

  it.each(['couchbase', 'memcache'])('%s tells which package to install, once', async (name) => {
    const file = `samples/${name}.yaml`;
    const reading = await read(file);
    expect(reading.error?.code).toBe('MODULE_MISSING');
    expect(printed({ ...reading, warnings: [] }, file)).toBe(
      `${file}: 1 problem\n` +
        `  ${file}:3:5 session.backend.type: @sessionkit/backend-${name} is not installed\n` +
        `    fix: npm install @sessionkit/backend-${name}\n`,
    );
  });

  it.each([
    ['main', []],
    ['token', ['session.backend']],
    ['redis', ['session.transport']],
  ])('%s warns of what is left out', async (name, paths) => {
    const { warnings } = await read(`samples/${name}.yaml`);
    expect(warnings.map(({ path }) => path)).toEqual(paths);
  });
});
