import { ABILITIES, CONTRACT_VERSION, can } from '@sessionkit/session-core';
import { startRedis } from '@sessionkit/test-stores/redis';
import { makeRecord, testEnvironment } from '@sessionkit/testkit';
import { Redis } from 'ioredis';
import { describe, expect, it, vi } from 'vitest';
import module from '../src/module.js';
import resource from '../src/resource.js';
import { signal, validated } from './harness.js';
import { ownServer } from './own-server.js';

const own = ownServer();

interface Outcome {
  readonly value?: object;
  readonly issues?: readonly { readonly path: readonly (string | number)[]; readonly message: string }[];
}

const check = (section: unknown) => module.config['~standard'].validate(section) as Outcome;
const checkResource = (section: unknown) => resource.config['~standard'].validate(section) as Outcome;
const usual = { type: 'redis', resource: 'store' };

describe('the redis backend in a YAML file', () => {
  it('is a backend of this contract by the name of redis, on a resource of class redis', () => {
    const named = { contract: CONTRACT_VERSION, type: 'redis' };
    expect(module).toMatchObject({ ...named, kind: 'backend', resourceClass: 'redis' });
    expect(resource).toMatchObject({ ...named, kind: 'resource' });
  });

  it('says what the backend can', () => {
    expect(module.abilities).toEqual(ABILITIES.filter((ability) => can(own().backend(), ability)));
    expect(module.abilities).toHaveLength(6);
  });

  it('needs no more than its type and its resource', () => {
    expect(check(usual).value).toEqual({
      ...usual,
      sid_field: 'sid',
      fields: {
        ip: 'ip',
        start: 'start',
        stop: 'stop',
        user: 'user',
        service: 'service',
        data: 'data',
        seen: 'seen',
        epoch: 'epoch',
        kill: 'kill',
        ended: 'ended',
        head: 'head',
      },
      key_prefix: 'sessionkit:',
      max_record_bytes: 4_194_304,
      durable: false,
    });
  });

  it.each([
    [{ ...usual, sidfield: 'x' }, [], 'sidfield'],
    [{ type: 'redis' }, ['resource'], 'string'],
    [{ ...usual, fields: { end: 'x' } }, ['fields'], 'end'],
    [{ ...usual, fields: { ip: 'data' } }, ['fields'], 'choose another name'],
    [{ ...usual, sid_field: '' }, ['sid_field'], '1'],
    [{ ...usual, key_prefix: '{x}' }, ['key_prefix'], 'braces'],
    [{ ...usual, write_within: 0 }, ['write_within'], '0.001'],
    [{ ...usual, max_record_bytes: 0.5 }, ['max_record_bytes'], 'int'],
    [{ ...usual, durable: 'yes' }, ['durable'], 'boolean'],
  ])('refuses %j and says where', (section, path, message) => {
    const { issues = [] } = check(section);
    expect(issues).toHaveLength(1);
    expect(issues[0]?.path).toEqual(path);
    expect(issues[0]?.message).toContain(message);
  });

  it('refuses a resource that is no client of Redis', () => {
    const context = { environment: testEnvironment(), path: 'session.backend', resource: () => ({}) };
    expect(() => module.create(validated(module.config, usual), context)).toThrow('neither one of ioredis');
  });
});

describe('a resource of class redis', () => {
  it.each([
    [{ _class: 'redis' }, [], 'one of url (one server), sentinels with master, and cluster'],
    [{ _class: 'redis', url: 7 }, ['url'], 'string'],
    [{ _class: 'redis', url: 'redis://x', cluster: ['x:1'] }, [], 'exactly one'],
    [{ _class: 'redis', sentinels: ['x:26379'] }, ['master'], 'name under which they know'],
    [{ _class: 'redis', sentinels: [], master: 'm' }, ['sentinels'], '>=1'],
    [{ _class: 'redis', sentinels: ['x'], master: 'm' }, ['sentinels', 0], 'HOST:PORT'],
    [{ _class: 'redis', cluster: ['redis://x:1'] }, ['cluster', 0], 'HOST:PORT'],
    [{ _class: 'redis', cluster: ['x:1'], master: 'm' }, ['master'], 'goes with sentinels, not with cluster'],
    [{ _class: 'redis', cluster: ['x:1'], db: 1 }, ['db'], 'database 0 only'],
    [{ _class: 'redis', cluster: ['x:1'], nat_map: { 'x:1': 'y' } }, ['nat_map', 'x:1'], 'HOST:PORT'],
    [{ _class: 'redis', url: 'redis://x', tls: true }, ['tls'], 'goes with sentinels or cluster'],
    [{ _class: 'redis', url: 'redis://x', nat_map: { 'x:1': 'y:1' } }, ['nat_map'], 'goes with'],
    [{ _class: 'redis', url: 'http://x' }, ['url'], 'redis://HOST:PORT'],
    [{ _class: 'redis', url: 'redis://x', port: 1 }, [], 'port'],
    [{ _class: 'redis', url: 'redis://x', db: -1 }, ['db'], '0'],
  ])('refuses %j and says where', (section, path, message) => {
    const { issues = [] } = checkResource(section);
    expect(issues).toHaveLength(1);
    expect(issues[0]?.path).toEqual(path);
    expect(issues[0]?.message).toContain(message);
  });

  it('uses the user, password, database and name that it is given', async () => {
    const { server, environment } = own();
    await server.ask('ACL', 'SETUSER', 'shop', 'on', '>p@ss/word', '~*', '&*', '+@all');
    const section = {
      _class: 'redis',
      url: server.url,
      username: 'shop',
      password: 'p@ss/word',
      db: 3,
      connection_name: 'shop-1',
    };
    const client = await resource.create(validated(resource.config, section), { environment });
    if (!(client instanceof Redis)) throw new Error('no client of ioredis');
    expect(await client.client('INFO')).toMatch(/ name=shop-1 .* db=3 .* user=shop /);
    await resource.close(client);
  });

  it('refuses a wrong password at the start, and does not repeat it', async () => {
    const { server, environment } = own();
    const section = { _class: 'redis', url: server.url, username: 'nobody', password: 'not-this-one' };
    const fault = await Promise.resolve(
      resource.create(validated(resource.config, section), { environment }),
    ).catch((error: unknown) => error);
    expect(fault).toMatchObject({ code: 'BACKEND_FAILED', message: expect.stringContaining('password') });
    expect(String(fault)).not.toContain('not-this-one');
  });

  it('that is down at the start is told in the log, fails as down, and serves when it is up', {
    timeout: 20_000,
  }, async () => {
    const server = await startRedis({ durable: true });
    await server.server?.kill();
    const environment = testEnvironment({ start: Date.now() });
    const client = await resource.create(validated(resource.config, { _class: 'redis', url: server.url }), {
      environment,
    });
    const context = { environment, path: 'session.backend', resource: () => client };
    const backend = await module.create(validated(module.config, usual), context);
    expect(environment.entries).toMatchObject([
      { level: 'error', message: expect.stringContaining('not reached') },
    ]);
    await expect(backend.now(signal)).rejects.toMatchObject({ code: 'BACKEND_DOWN' });
    await server.server?.start();
    await vi.waitFor(() => backend.now(signal), { timeout: 2_000 });
    expect(await backend.save(makeRecord(environment), signal)).toBe(true);
    await backend.close();
    await resource.close(client);
    await server.stop();
  });
});
