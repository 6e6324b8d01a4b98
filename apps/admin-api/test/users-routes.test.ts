import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { createUsers } from '../src/index.js';
import { ADMIN, BASIC, CHEAP, errorsOf, type Fixture, fixture } from './fixture.js';

const NEW = { id: 'bob', type: 'inet', attributes: { password: 'open sesame', account: 'basic' } };

function add(f: Fixture, data: unknown): Promise<Response> {
  return f.ask('POST', '/v1/users/inet', { body: JSON.stringify({ data }) });
}

function alter(f: Fixture, name: string, attributes: unknown): Promise<Response> {
  const data = { id: name, type: 'inet', attributes };
  return f.ask('PATCH', `/v1/users/inet/${name}`, { body: JSON.stringify({ data }) });
}

describe('users', () => {
  test('are listed at both paths, by name, with HTTP dates', async () => {
    const f = await fixture();
    const start = new Date(f.environment.now()).toUTCString();
    await f.environment.advance(2_000);
    await f.users.passwd(BASIC.name, BASIC.password);
    for (const path of ['/v1/users', '/v1/users/inet', '/v1/users/inet/']) {
      const response = await f.ask('GET', path, { as: BASIC });
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({
        data: [
          {
            attributes: {
              account: 'admin',
              created: start,
              last_login: null,
              last_update: null,
              name: 'admin',
            },
            id: 'admin',
            links: { self: 'http://localhost:8989/v1/users/inet/admin/' },
            type: 'inet',
          },
          {
            attributes: {
              account: 'basic',
              created: start,
              last_login: new Date(f.environment.now()).toUTCString(),
              last_update: new Date(f.environment.now()).toUTCString(),
              name: BASIC.name,
            },
            id: BASIC.name,
            links: { self: `http://localhost:8989/v1/users/inet/${BASIC.name}/` },
            type: 'inet',
          },
        ],
        links: { self: 'http://localhost:8989/v1/users/inet/' },
      });
    }
  });

  test('have a document each, also with a name that needs escapes, and no document has a hash', async () => {
    const f = await fixture();
    await f.users.add('a/b c', 'x', 'basic');
    const response = await f.ask('GET', '/v1/users/inet/a%2Fb%20c');
    expect(response.status).toBe(200);
    const text = await response.text();
    const { data } = JSON.parse(text) as { data: { id: string; links: { self: string } } };
    expect(data).toMatchObject({
      id: 'a/b c',
      links: { self: 'http://localhost:8989/v1/users/inet/a%2Fb%20c/' },
    });
    expect((await f.ask('GET', new URL(data.links.self).pathname)).status).toBe(200);
    expect(text).not.toMatch(/scrypt|password|change/);
    const missing = await f.ask('GET', '/v1/users/inet/nobody');
    expect([missing.status, await errorsOf(missing)]).toEqual([404, ["'nobody' is not a inetuser"]]);
  });

  test('are filtered, paged and cut to fields like every collection', async () => {
    const f = await fixture();
    await f.users.add('bob', 'x', 'basic');
    const ids = async (query: string) => {
      const response = await f.ask('GET', `/v1/users?${query}`);
      const { data, meta } = (await response.json()) as { data: { id: string }[]; meta?: { total: number } };
      return [...data.map(({ id }) => id), ...(meta ? [meta.total] : [])];
    };
    expect(await ids('filter=/attributes/account="basic"')).toEqual(['bob', 'watcher']);
    expect(await ids('page[size]=1&page[number]=1')).toEqual(['bob', 3]);
    const response = await f.ask('GET', '/v1/users/inet/bob?fields[inet]=account');
    expect(await response.json()).toMatchObject({ data: { attributes: { account: 'basic' } } });
    expect((await f.ask('GET', '/v1/users?filter=/attributes/name=eq(')).status).toBe(400);
  });

  test('live through a whole life, over restarts, and their credentials count at each step', async () => {
    const f = await fixture();
    const login = async (password: string) =>
      (await f.ask('GET', '/v1/', { as: { name: 'bob', password } })).status;
    expect(await login('open sesame')).toBe(401);
    const added = await add(f, NEW);
    expect([added.status, await added.text()]).toEqual([204, '']);
    expect(await login('open sesame')).toBe(200);

    const restarted = createUsers({ file: f.usersFile, cost: CHEAP, environment: f.environment });
    expect(await restarted.verify('bob', 'open sesame')).toMatchObject({ account: 'basic' });
    expect((await alter(f, 'bob', { password: 'close sesame' })).status).toBe(204);
    expect([await login('open sesame'), await login('close sesame')]).toEqual([401, 200]);

    const as = { name: 'bob', password: 'close sesame' };
    expect((await f.ask('DELETE', '/v1/users/inet/watcher', { as })).status).toBe(401);
    expect((await alter(f, 'bob', { account: 'admin' })).status).toBe(204);
    expect((await f.ask('DELETE', '/v1/users/inet/watcher', { as })).status).toBe(204);
    expect((await f.ask('DELETE', '/v1/users/inet/bob')).status).toBe(204);
    expect(await login('close sesame')).toBe(401);
    expect((await restarted.list()).map(({ name }) => name)).toEqual(['admin']);
  });

  test.each([
    [{}, ["Request body does not define the '/data/id' field."]],
    [
      { ...NEW, attributes: { account: 'basic' } },
      ["Request body does not define the '/data/attributes/password' field."],
    ],
    [{ id: 'bob', type: 'inet' }, ["Request body does not define the '/data/attributes/password' field."]],
    [
      { ...NEW, attributes: { password: 'x' } },
      ["Request body does not define the '/data/attributes/account' field."],
    ],
    [
      { ...NEW, attributes: { ...NEW.attributes, password: '' } },
      ["Value '/data/attributes/password' is empty."],
    ],
    [
      { ...NEW, attributes: { ...NEW.attributes, password: 12345 } },
      ["The '/data/attributes/password' field is not a string."],
    ],
    [{ ...NEW, id: null }, ["The '/data/id' field is not a string."]],
    [
      { ...NEW, attributes: { ...NEW.attributes, account: 'root' } },
      ["data.attributes.account: must be 'admin' or 'basic'"],
    ],
    [{ ...NEW, type: 'unix' }, ["data.type: must be 'inet'"]],
    [{ ...NEW, role: 'admin' }, ["data: unknown name 'role'"]],
    [{ ...NEW, id: 'watcher' }, ["Failed to add user 'watcher': Duplicate username specified"]],
    [
      { ...NEW, id: 'a:b' },
      [
        'Failed to add user (not shown): Not a user name: a user name has no colon and no control characters.',
      ],
    ],
    [
      { ...NEW, attributes: { ...NEW.attributes, password: 'a\nb' } },
      ["Failed to add user 'bob': Not a password: it has 1 to 1024 bytes and no control characters."],
    ],
  ])('are not added by %j', async (data, details) => {
    const f = await fixture();
    const before = await readFile(f.usersFile, 'utf8');
    const response = await add(f, data);
    expect(response.status).toBe(400);
    expect(await errorsOf(response)).toEqual(expect.arrayContaining(details));
    expect((await f.users.list()).map(({ name }) => name)).toEqual(['admin', 'watcher']);
    expect(JSON.parse(await readFile(f.usersFile, 'utf8')).users).toHaveLength(
      JSON.parse(before).users.length,
    );
  });

  test.each([
    [{}, 'No password provided'],
    [{ password: '' }, "Value '/data/attributes/password' is empty."],
    // What a client has made of `0012345`: to take it would set another password than was typed.
    [{ password: 12345 }, "The '/data/attributes/password' field is not a string."],
    [{ password: null }, "The '/data/attributes/password' field is not a string."],
    [{ account: 'root' }, "data.attributes.account: must be 'admin' or 'basic'"],
    [{ name: 'eve' }, "data.attributes: unknown name 'name'"],
  ])('are not altered by %j', async (attributes, detail) => {
    const f = await fixture();
    const before = await f.users.find(BASIC.name);
    const response = await alter(f, BASIC.name, attributes);
    expect([response.status, await errorsOf(response)]).toEqual([400, [detail]]);
    expect(await f.users.find(BASIC.name)).toEqual(before);
  });

  test('that are not there cannot be altered or removed, and neither can one in the place of another', async () => {
    const f = await fixture();
    for (const response of [
      await alter(f, 'nobody', { password: 'x' }),
      await f.ask('DELETE', '/v1/users/inet/nobody'),
    ])
      expect([response.status, await errorsOf(response)]).toEqual([404, ["'nobody' is not a inetuser"]]);
    const body = JSON.stringify({ data: { id: 'admin', attributes: { password: 'x' } } });
    const other = await f.ask('PATCH', '/v1/users/inet/watcher', { body });
    expect([other.status, await errorsOf(other)]).toEqual([400, ['data.id: is not the user of the path']]);
  });

  test('keep an admin: the last one is neither removed nor made basic', async () => {
    const f = await fixture();
    const demoted = await alter(f, 'admin', { account: 'basic', password: 'new' });
    expect([demoted.status, await errorsOf(demoted)]).toEqual([
      400,
      ["Failed to alter user 'admin': Cannot leave no admin"],
    ]);
    const last = await f.ask('DELETE', '/v1/users/inet/admin');
    expect([last.status, await errorsOf(last)]).toEqual([
      400,
      ["Failed to remove user 'admin': Cannot delete last admin"],
    ]);
    await f.users.remove(BASIC.name);
    const only = await f.ask('DELETE', '/v1/users/inet/admin');
    expect(await errorsOf(only)).toEqual(["Failed to remove user 'admin': Cannot delete last user"]);
    expect((await f.ask('GET', '/v1/')).status).toBe(200);
  });

  test('are changed by admins only', async () => {
    const f = await fixture();
    for (const [method, path, body] of [
      ['POST', '/v1/users/inet', JSON.stringify({ data: NEW })],
      ['PATCH', '/v1/users/inet/watcher', JSON.stringify({ data: { attributes: { account: 'admin' } } })],
      ['DELETE', '/v1/users/inet/watcher', undefined],
    ] as const) {
      const response = await f.ask(method, path, { as: BASIC, body });
      expect([response.status, await errorsOf(response)]).toEqual([401, ['Access denied']]);
    }
    expect(await f.users.find(BASIC.name)).toMatchObject({ account: 'basic' });
    expect(await f.users.list()).toHaveLength(2);
  });

  test('leave nothing of a password in the access log, whether it was taken or refused', async () => {
    const f = await fixture();
    await add(f, NEW);
    await add(f, { ...NEW, id: 'open sesame 2', attributes: { password: 'open sesame' } });
    await alter(f, 'bob', { password: 'close sesame' });
    await alter(f, 'bob', { password: ['close sesame'] });
    expect(f.access.map(({ action, status, target }) => [action, status, target])).toEqual([
      ['users.add', 204, '/v1/users/inet'],
      ['users.add', 400, '/v1/users/inet'],
      ['users.alter', 204, '/v1/users/inet/bob'],
      ['users.alter', 400, '/v1/users/inet/{name}'],
    ]);
    expect(f.access[0]?.body).toEqual({
      data: { id: 'bob', type: 'inet', attributes: { password: '****', account: 'basic' } },
    });
    expect(JSON.stringify(f.access)).not.toContain('sesame');
  });

  test('are a 503 when their file breaks', async () => {
    const f = await fixture();
    await f.ask('GET', '/v1/');
    await writeFile(f.usersFile, '{');
    for (const response of [
      await f.ask('GET', '/v1/users'),
      await add(f, NEW),
      await f.ask('DELETE', '/v1/users/inet/watcher'),
    ])
      expect(response.status).toBe(503);
  });

  test('hash two passwords at a time, those of logins and of changes together', async () => {
    const f = await fixture();
    await f.ask('GET', '/v1/', { as: ADMIN });
    const statuses = await Promise.all([
      ...Array.from({ length: 4 }, (_, i) => add(f, { ...NEW, id: `bob-${i}` })),
      f.ask('GET', '/v1/', { as: { name: 'admin', password: 'wrong' } }),
    ]);
    const counts = statuses.map(({ status }) => status).sort();
    expect(counts.filter((status) => status === 429)).toHaveLength(3);
  });
});
