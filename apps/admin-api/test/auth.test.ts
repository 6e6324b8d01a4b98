import { describe, expect, test } from 'vitest';
import { ADMIN, BASIC, basic, errorsOf, fixture, patch } from './fixture.js';

const WRONG = { name: 'admin', password: 'wrong' };
const MINUTES_5 = 300_000;

describe('credentials', () => {
  test.each([
    ['none', {}],
    ['a wrong password', { authorization: basic('admin', 'wrong') }],
    ['an unknown user', { authorization: basic('nobody', 'x') }],
    ['no colon', { authorization: `Basic ${btoa('admin')}` }],
    ['no base64', { authorization: 'Basic %%%%' }],
    ['another scheme', { authorization: 'Digest username="admin"' }],
    ['an empty password', { authorization: basic('admin', '') }],
    ['an empty name', { authorization: basic('', 'x') }],
    ['a name with a control character', { authorization: basic('ad\u0000min', 'x') }],
    ['the name of a member of every object', { authorization: basic('__proto__', 'x') }],
    ['an over-long password', { authorization: basic('admin', 'x'.repeat(5_000)) }],
    ['an over-long name', { authorization: basic('a'.repeat(300), 'x') }],
    ['the password with something after it', { authorization: basic('admin', `${ADMIN.password}:x`) }],
  ])('that are wrong (%s) are a 401 with a challenge, on every path', async (_name, headers) => {
    const { ask } = await fixture();
    for (const path of ['/', '/v1/sessions', '/nowhere']) {
      const response = await ask('GET', path, { as: null, headers });
      expect([path, response.status]).toEqual([path, 401]);
      expect(response.headers.get('www-authenticate')).toBe('Basic realm="sessionkit"');
      expect(await errorsOf(response)).toEqual(['Access denied']);
    }
  });

  test('that are wrong bring no challenge for a script in a page', async () => {
    const { ask } = await fixture();
    const headers = { 'x-requested-with': 'XMLHttpRequest' };
    for (const as of [null, WRONG]) {
      const response = await ask('GET', '/v1/sessions', { as, headers });
      expect(response.status).toBe(401);
      expect(response.headers.has('www-authenticate')).toBe(false);
    }
  });

  test('that are right are taken whatever the case of the scheme, and with a colon in the password', async () => {
    const { ask, users } = await fixture();
    await users.add('odd', 'a:b:ü', 'basic');
    const header = basic('odd', 'a:b:ü').replace('Basic', 'bASIC');
    expect((await ask('GET', '/v1/', { as: null, headers: { authorization: header } })).status).toBe(200);
  });

  test('a session token is no credential here', async () => {
    const { ask, start } = await fixture();
    const { id, token } = await start({ user: 'admin' });
    for (const authorization of [`Bearer ${token}`, basic('admin', token), basic(id, token)]) {
      expect((await ask('GET', '/v1/sessions', { as: null, headers: { authorization } })).status).toBe(401);
    }
    expect((await ask('GET', '/v1/sessions', { as: null, headers: { cookie: `web=${token}` } })).status).toBe(
      401,
    );
  });
});

describe('a basic user', () => {
  test('reads everything', async () => {
    const { ask, start } = await fixture();
    const { id } = await start();
    for (const path of [
      '/',
      '/v1',
      '/v1/sessions',
      `/v1/sessions/${id}`,
      '/v1/services',
      '/v1/services/web',
    ]) {
      for (const method of ['GET', 'HEAD']) {
        expect([path, (await ask(method, path, { as: BASIC })).status]).toEqual([path, 200]);
      }
    }
  });

  test('changes nothing: 401, also by a method override', async () => {
    const { ask, start, manager } = await fixture();
    const { id } = await start();
    const before = await manager.get(id);
    const path = `/v1/sessions/${id}`;
    for (const response of [
      await ask('DELETE', path, { as: BASIC }),
      await ask('DELETE', `${path}?ttl=5`, { as: BASIC }),
      await ask('PATCH', path, { as: BASIC, body: patch({ log_info: true }) }),
      await ask('DELETE', '/v1/sessions', { as: BASIC }),
    ]) {
      expect(response.status).toBe(401);
      expect(await errorsOf(response)).toEqual(['Access denied']);
    }
    for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override']) {
      const headers = { [name]: 'DELETE' };
      expect((await ask('GET', path, { as: BASIC, headers })).status).toBe(200);
      expect((await ask('GET', path, { headers })).status).toBe(200);
    }
    expect(await manager.get(id)).toEqual(before);
  });
});

describe('guessing', () => {
  test('ends in a 429 after 10 failures of an address and user within 5 minutes, also for the right password', async () => {
    const { ask, environment } = await fixture();
    for (let i = 0; i < 10; i++) {
      expect((await ask('GET', '/v1/', { as: { name: 'admin', password: `guess ${i}` } })).status).toBe(401);
      await environment.advance(1_000);
    }
    const response = await ask('GET', '/v1/');
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('290');
    expect(await errorsOf(response)).toEqual(['Too many wrong passwords. Try again later.']);

    expect((await ask('GET', '/v1/', { as: BASIC })).status).toBe(200);
    expect((await ask('GET', '/v1/', { from: '192.0.2.9' })).status).toBe(200);

    await environment.advance(MINUTES_5 - 10_000 + 1);
    expect((await ask('GET', '/v1/')).status).toBe(200);
  });

  test('is counted the same for a user that does not exist', async () => {
    const { ask } = await fixture();
    const as = { name: 'nobody', password: 'x' };
    const statuses: number[] = [];
    for (let i = 0; i < 11; i++) statuses.push((await ask('GET', '/v1/', { as })).status);
    expect(statuses).toEqual([...Array<number>(10).fill(401), 429]);
  });

  test('counts all addresses of an IPv6 network of 64 bits as one, and an IPv4 address in either form', async () => {
    const { ask } = await fixture();
    for (let i = 0; i < 10; i++) await ask('GET', '/v1/', { as: WRONG, from: `2001:db8:0:1::${i}` });
    expect((await ask('GET', '/v1/', { from: '2001:db8::1:ffff:0:0:1' })).status).toBe(429);
    expect((await ask('GET', '/v1/', { from: '2001:db8:0:2::1' })).status).toBe(200);
    for (let i = 0; i < 10; i++) await ask('GET', '/v1/', { as: WRONG, from: '::ffff:192.0.2.1' });
    expect((await ask('GET', '/v1/', { from: '192.0.2.1' })).status).toBe(429);
    expect((await ask('GET', '/v1/', { from: '192.0.2.2' })).status).toBe(200);
  });

  test('is not what right passwords are counted as', async () => {
    const { ask, users } = await fixture();
    for (let i = 0; i < 15; i++) {
      // A new password each time, so that each is hashed.
      await users.passwd('admin', `password ${i}`);
      expect((await ask('GET', '/v1/', { as: { name: 'admin', password: `password ${i}` } })).status).toBe(
        200,
      );
    }
  });

  test('in parallel is checked two at a time, and the third is a 429', async () => {
    const { ask } = await fixture();
    const asked = Array.from({ length: 6 }, (_, i) =>
      ask('GET', '/v1/', { as: { name: 'admin', password: `p${i}` } }),
    );
    const statuses = (await Promise.all(asked)).map((response) => response.status).sort();
    expect(statuses).toEqual([401, 401, 429, 429, 429, 429]);
  });

  test('does not hinder many requests at once with the same right password', async () => {
    const { ask } = await fixture();
    const asked = await Promise.all(Array.from({ length: 20 }, () => ask('GET', '/v1/')));
    expect(asked.map((response) => response.status)).toEqual(Array<number>(20).fill(200));
  });
});

describe('a right password', () => {
  test('is hashed once in 5 minutes', async () => {
    const { users } = await fixture();
    let hashes = 0;
    const counting = {
      ...users,
      verify: (name: string, password: string) => {
        hashes++;
        return users.verify(name, password);
      },
    };
    const { ask, environment } = await fixture({ users: counting });
    for (let i = 0; i < 5; i++) {
      await ask('GET', '/v1/');
      await environment.advance(59_000);
    }
    expect(hashes).toBe(1);
    await environment.advance(6_000);
    await ask('GET', '/v1/');
    expect(hashes).toBe(2);
  });

  test('is refused at once when it was changed, its user removed, or made anew', async () => {
    const { ask, users, environment } = await fixture();
    const bob = { name: 'bob', password: 'first' };
    await users.add(bob.name, bob.password, 'admin');
    expect((await ask('GET', '/v1/', { as: bob })).status).toBe(200);
    await users.passwd('bob', 'second');
    expect((await ask('GET', '/v1/', { as: bob })).status).toBe(401);
    expect((await ask('GET', '/v1/', { as: { ...bob, password: 'second' } })).status).toBe(200);
    await users.remove('bob');
    expect((await ask('GET', '/v1/', { as: { ...bob, password: 'second' } })).status).toBe(401);
    await environment.advance(1);
    await users.add('bob', 'third', 'basic');
    expect((await ask('GET', '/v1/', { as: { ...bob, password: 'second' } })).status).toBe(401);
    expect((await ask('GET', '/v1/', { as: { ...bob, password: 'third' } })).status).toBe(200);
  });

  test('notes the time of the login', async () => {
    const { ask, users, environment } = await fixture();
    expect(await users.find('admin')).toMatchObject({ lastLogin: undefined });
    await ask('GET', '/v1/');
    expect(await users.find('admin')).toMatchObject({ lastLogin: environment.now() });
    expect(await users.find(BASIC.name)).toMatchObject({ lastLogin: undefined });
  });

  test('is taken although its time cannot be noted, which is logged once', async () => {
    const { users } = await fixture();
    const readOnly = { ...users, noteLogin: () => Promise.reject(new Error('read-only file system')) };
    const { ask, environment } = await fixture({ users: readOnly });
    expect((await ask('GET', '/v1/')).status).toBe(200);
    expect((await ask('GET', '/v1/', { as: BASIC })).status).toBe(200);
    expect(
      environment.entries.filter((entry) => entry.message === 'the time of a login cannot be noted'),
    ).toHaveLength(1);
  });
});
