import { ABILITIES, CONTRACT_VERSION, can } from '@sessionkit/session-core';
import { startMemcached } from '@sessionkit/test-stores/memcached';
import { makeRecord, testEnvironment } from '@sessionkit/testkit';
import { MemcacheClient } from 'memcache-client';
import { describe, expect, it, vi } from 'vitest';
import { memcache } from '../src/index.js';
import module from '../src/module.js';
import { MAX_PREFIX } from '../src/options.js';
import resource from '../src/resource.js';
import { clientOf, outcome, ownServer, signal, valid } from './harness.js';

const own = ownServer();
const usual = { type: 'memcache', resource: 'store' };
const place = { _class: 'memcache', host: 'cache.example' };

describe('the memcache backend in a YAML file', () => {
  it('is a backend of this contract by the name of memcache, on a resource of class memcache', () => {
    const named = { contract: CONTRACT_VERSION, type: 'memcache' };
    expect(module).toMatchObject({ ...named, kind: 'backend', resourceClass: 'memcache' });
    expect(resource).toMatchObject({ ...named, kind: 'resource' });
  });

  it('says what the backend can', () => {
    expect(module.abilities).toEqual(ABILITIES.filter((ability) => can(own().backend(), ability)));
    expect(module.abilities).toHaveLength(3);
  });

  it('needs no more than its type and its resource', () => {
    expect(outcome(module, usual).value).toEqual({
      ...usual,
      sid_field: 'sid',
      fields: {
        ip: 'ip',
        start: 'start',
        stop: 'stop',
        user: 'user',
        service: 'service',
        ended: 'ended',
        head: 'head',
      },
      key_prefix: 'sessionkit:',
      max_record_bytes: 1_000_000,
    });
  });

  it.each([
    [{ ...usual, sidfield: 'x' }, [], 'sidfield'],
    [{ type: 'memcache' }, ['resource'], 'string'],
    [{ ...usual, fields: { end: 'x' } }, ['fields'], 'end'],
    [{ ...usual, fields: { ip: 'user' } }, ['fields'], 'choose another name'],
    [{ ...usual, sid_field: '' }, ['sid_field'], '1'],
    [{ ...usual, key_prefix: 'a b' }, ['key_prefix'], 'without blanks'],
    [{ ...usual, key_prefix: 'é' }, ['key_prefix'], 'printable ASCII'],
    [{ ...usual, key_prefix: '' }, ['key_prefix'], 'must not be empty'],
    [{ ...usual, key_prefix: 'x'.repeat(MAX_PREFIX + 1) }, ['key_prefix'], `at most ${MAX_PREFIX}`],
    [{ ...usual, max_record_bytes: 0.5 }, ['max_record_bytes'], 'int'],
  ])('refuses %j and says where', (section, path, message) => {
    const { issues = [] } = outcome(module, section);
    expect(issues).toHaveLength(1);
    expect(issues[0]?.path).toEqual(path);
    expect(issues[0]?.message).toContain(message);
  });

  it('refuses a resource that is no client of memcached', () => {
    const context = (clients: unknown) => ({
      environment: testEnvironment(),
      path: 'session.backend',
      resource: () => clients,
    });
    expect(() => module.create(valid(module, usual), context({}))).toThrow('must be one of the package');
    expect(() => module.create(valid(module, usual), context(undefined))).toThrow('session.backend.resource');
    expect(() => module.create(valid(module, usual), context([]))).toThrow('there is no client');
  });
});

describe('the memcache backend in code', () => {
  it('takes a client however its server is written, and several of one server for its connections', async () => {
    const { server, environment } = own();
    const at = `${server.host}:${server.port}`;
    const clients = [
      new MemcacheClient({ server: at }),
      new MemcacheClient({ server: { server: at, maxConnections: 3 } }),
      new MemcacheClient({ server: { servers: [{ server: at, maxConnections: 1 }] } }),
    ];
    const before = Number((await server.stats()).curr_connections);
    const backend = memcache(clients, { prefix: 'in-code:' });
    const records = Array.from({ length: 100 }, () => makeRecord(environment));
    expect(await Promise.all(records.map((record) => backend.save(record, signal)))).not.toContain(false);
    expect(Number((await server.stats()).curr_connections) - before).toBe(5);
    for (const client of clients) client.shutdown();
  });

  it('a prefix may be as long as keys allow, for every key', async () => {
    const { environment, backend } = own();
    const record = makeRecord(environment);
    const long = backend({ prefix: 'x'.repeat(MAX_PREFIX) });
    expect(await long.save(record, signal)).toBe(true);
    const { id } = record;
    await long.append({ batchId: 'b', entries: [{ id, at: 1, kind: 'log', text: 'x' }] }, signal);
    expect(await long.read([id], signal)).toHaveLength(1);
    // Each half a megabyte: they are several values.
    const detail = { text: 'x'.repeat(400_000) };
    const links = Array.from({ length: 3 }, (_, since) => ({ id, process: 'one', since, detail }));
    await long.announce('one', links, 60_000, signal);
    expect(await long.present([id], signal)).toEqual(links);
    const huge = { id, process: 'one', since: 1, detail: { text: 'x'.repeat(600_000) } };
    await expect(long.announce('one', [huge], 60_000, signal)).rejects.toMatchObject({
      code: 'RECORD_TOO_LARGE',
    });
  });

  it.each([
    [{ prefix: 'a\tb' }, 'without blanks'],
    [{ names: { ip: 'sid' } }, '"sid" names two members'],
    [{ names: { ip: '' } }, 'a name is empty'],
    [{ maxRecordBytes: 0 }, 'maxRecordBytes'],
  ])('refuses the options %j', (options, message) => {
    expect(() => memcache(clientOf({ host: '127.0.0.1', port: 1 }), options)).toThrow(message);
  });

  it.each([
    [{ server: { servers: [{ server: 'a:1' }, { server: 'b:1' }] } }, 'a client for each server'],
    [{ server: { server: 'a:1', config: { keepLastServer: false } } }, 'keepLastServer'],
    [{ server: 'unix:/x' }, 'HOST:PORT'],
  ])('refuses a client of %j', (options, message) => {
    const client = { options, send: async () => {} };
    expect(() => memcache(client)).toThrow(message);
    expect(() => memcache(client)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});

describe('a resource of class memcache', () => {
  it.each([
    [{ _class: 'memcache' }, [], 'one of host (one server) and servers'],
    [{ ...place, servers: [{ host: 'b' }] }, [], 'exactly one'],
    [{ _class: 'memcache', servers: [] }, ['servers'], '>=1'],
    [
      { _class: 'memcache', servers: [{ host: 'a' }, { host: 'a', port: 11_211 }] },
      ['servers', 1],
      'already',
    ],
    [{ _class: 'memcache', servers: [{ host: 'a' }], port: 1 }, ['port'], 'goes with host'],
    [{ ...place, host: '::1' }, ['host'], 'IPv4'],
    [{ ...place, port: 0 }, ['port'], '1'],
    [{ ...place, pool_size: 0 }, ['pool_size'], '1'],
    [{ ...place, hots: 'x' }, [], 'hots'],
  ])('refuses %j and says where', (section, path, message) => {
    const { issues = [] } = outcome(resource, section);
    expect(issues).toHaveLength(1);
    expect(issues[0]?.path).toEqual(path);
    expect(issues[0]?.message).toContain(message);
  });

  it('has no more connections than it may, and closing it gives them back', async () => {
    const { server, environment } = own();
    const count = async () => Number((await server.stats()).curr_connections);
    const before = await count();
    const section = { _class: 'memcache', host: server.host, port: server.port, pool_size: 2 };
    const clients = await resource.create(valid(resource, section), { environment });
    const backend = memcache(clients as MemcacheClient[]);
    await Promise.all(Array.from({ length: 20 }, () => backend.save(makeRecord(environment), signal)));
    expect(await count()).toBe(before + 2);
    await resource.close(clients);
    await expect.poll(count).toBe(before);
  });

  it('that is down at the start fails as down, and serves when it is up', { timeout: 20_000 }, async () => {
    const server = await startMemcached({ own: true });
    await server.server?.kill();
    const environment = testEnvironment({ start: Date.now() });
    const section = valid(resource, { _class: 'memcache', host: server.host, port: server.port });
    const clients = await resource.create(section, { environment });
    const context = { environment, path: 'session.backend', resource: () => clients };
    const backend = await module.create(valid(module, usual), context);
    await expect(backend.now(signal)).rejects.toMatchObject({ code: 'BACKEND_DOWN', retryable: true });
    await server.server?.start();
    await vi.waitFor(() => backend.now(signal), { timeout: 1_000 });
    expect(await backend.save(makeRecord(environment), signal)).toBe(true);
    await backend.close();
    await resource.close(clients);
    await server.stop();
  });
});
