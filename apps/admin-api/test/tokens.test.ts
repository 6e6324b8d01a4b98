import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { createAdminApi } from '../src/index.js';
import { isAdminToken } from '../src/tokens.js';
import { ADMIN, BASIC, basic, errorsOf, type Fixture, fixture, patch, request } from './fixture.js';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function tokenOf(f: Fixture, as = ADMIN, query = ''): Promise<string> {
  const response = await f.ask('GET', `/v1/auth${query}`, { as });
  expect(response.status).toBe(200);
  const { meta } = (await response.json()) as { meta: { token: string } };
  return meta.token;
}

/** Status of a read with nothing but the token. */
async function use(f: Fixture, token: string): Promise<number> {
  return (await f.ask('GET', '/v1/sessions', { as: null, headers: bearer(token) })).status;
}

function claims(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<
    string,
    unknown
  >;
}

describe('a token', () => {
  test('is given for a password, says whose it is and until when, and is never cached', async () => {
    const f = await fixture();
    const response = await f.ask('GET', '/v1/auth', { as: BASIC });
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.has('set-cookie')).toBe(false);
    const document = (await response.json()) as { meta: { token: string } };
    expect(Object.keys(document)).toEqual(['meta']);
    expect(Object.keys(document.meta)).toEqual(['token']);
    const iat = f.environment.now() / 1000;
    expect(claims(document.meta.token)).toEqual({
      iss: 'sessionkit-admin',
      sub: 'watcher',
      aud: 'watcher',
      account: 'basic',
      change: expect.any(Number),
      iat,
      exp: iat + 28_800,
    });
  });

  test('is a credential like the password, and lets its user change what the user may', async () => {
    const f = await fixture();
    const { id } = await f.start();
    const admin = bearer(await tokenOf(f));
    const write = { as: null, headers: admin, body: patch({ log_info: true }) };
    expect((await f.ask('PATCH', `/v1/sessions/${id}`, write)).status).toBe(204);
    expect(f.access.at(-1)).toMatchObject({ actor: 'admin', action: 'sessions.alter', status: 204 });

    const reader = bearer(await tokenOf(f, BASIC));
    expect((await f.ask('GET', `/v1/sessions/${id}`, { as: null, headers: reader })).status).toBe(200);
    const refused = await f.ask('DELETE', `/v1/sessions/${id}`, { as: null, headers: reader });
    expect([refused.status, await errorsOf(refused)]).toEqual([403, ['Administrative access required']]);
    expect(refused.headers.has('www-authenticate')).toBe(false);
    expect(await f.manager.get(id)).toBeDefined();
  });

  test.each([
    ['', 28_800],
    ['?max-age=60', 60],
    ['?MAX-AGE=1', 1],
    ['?max-age=86400', 86_400],
    ['?max-age=86401', 86_400],
    ['?max-age=2147483646', 86_400],
    ['?max-age=2147483647', 28_800],
    ['?max-age=0', 28_800],
    ['?max-age=-1', 28_800],
    ['?max-age=1h', 28_800],
    ['?max-age=', 28_800],
    ['?max-age=99999999999999999999', 28_800],
  ])('asked for with %j lives %i seconds', async (query, age) => {
    const f = await fixture();
    const token = await tokenOf(f, ADMIN, query);
    await f.environment.advance(age * 1000 - 1000);
    expect(await use(f, token)).toBe(200);
    await f.environment.advance(1_000);
    expect(await use(f, token)).toBe(401);
  });

  test('is void as soon as its user has another password or account, or is removed, or made anew', async () => {
    const f = await fixture();
    const first = await tokenOf(f, BASIC);
    await f.users.passwd(BASIC.name, 'second');
    expect(await use(f, first)).toBe(401);
    const second = await tokenOf(f, { ...BASIC, password: 'second' });
    expect(await use(f, second)).toBe(200);
    await f.users.alter(BASIC.name, { account: 'admin' });
    expect(await use(f, second)).toBe(401);
    await f.users.alter(BASIC.name, { account: 'basic' });
    expect(await use(f, second)).toBe(401);
    const third = await tokenOf(f, { ...BASIC, password: 'second' });
    await f.users.remove(BASIC.name);
    expect(await use(f, third)).toBe(401);
    await f.users.add(BASIC.name, 'second', 'basic');
    expect(await use(f, third)).toBe(401);
  });

  test('counts after a restart, since its key is kept in a file of the owner only', async () => {
    const f = await fixture();
    const token = await tokenOf(f);
    expect((await stat(`${f.usersFile}.key`)).mode & 0o777).toBe(0o600);
    const again = createAdminApi({ manager: f.manager, users: f.users, environment: f.environment });
    const headers = bearer(token);
    expect((await again.fetch(request('GET', '/v1/sessions', { as: null, headers }))).status).toBe(200);
  });

  test('has no key until one is asked for, and many that are asked for at once get the same', async () => {
    const f = await fixture();
    await f.ask('GET', '/v1/sessions');
    await expect(stat(`${f.usersFile}.key`)).rejects.toMatchObject({ code: 'ENOENT' });
    const other = createAdminApi({ manager: f.manager, users: f.users, environment: f.environment });
    await f.ask('GET', '/v1/');
    await other.fetch(request('GET', '/v1/'));
    const answers = await Promise.all(
      [f.api, other, f.api, other].map((api) =>
        api.fetch(request('GET', '/v1/auth'), { remoteAddress: '127.0.0.1' }),
      ),
    );
    for (const answer of answers) {
      const { meta } = (await answer.json()) as { meta: { token: string } };
      expect(await use(f, meta.token)).toBe(200);
    }
  });

  test('is void when its key is removed, and a new key is made with the next one', async () => {
    const f = await fixture();
    const token = await tokenOf(f);
    await rm(`${f.usersFile}.key`);
    expect(await use(f, token)).toBe(401);
    expect(await use(f, await tokenOf(f))).toBe(200);
    expect(await use(f, token)).toBe(401);
  });

  test.each([
    ['it is not a key', async (file: string) => writeFile(file, 'x\n', { mode: 0o600 })],
    ['it is not a key', async (file: string) => writeFile(file, '')],
    ['others can read or change it', async (file: string) => chmod(file, 0o640)],
  ])(
    'is a 503 while the key file is broken: %s; the log says how to mend it, and passwords still count',
    async (why, damage) => {
      const f = await fixture();
      const token = await tokenOf(f);
      const key = (await readFile(`${f.usersFile}.key`, 'utf8')).trim();
      await damage(`${f.usersFile}.key`);
      expect(await use(f, token)).toBe(503);
      expect((await f.ask('GET', '/v1/auth')).status).toBe(503);
      expect((await f.ask('GET', '/v1/')).status).toBe(200);
      const { error } = f.environment.entries.at(-1) ?? {};
      expect(error).toMatchObject({
        message: expect.stringContaining(`${f.usersFile}.key is broken: ${why}.`),
      });
      expect(JSON.stringify(f.environment.entries)).not.toContain(key);
    },
  );

  test('is not given over plain HTTP from beyond this machine, and none is given for another token', async () => {
    const f = await fixture();
    const asked = async (url: string, peer: Parameters<typeof f.api.fetch>[1], authorization: string) => {
      const headers = { host: 'localhost', authorization };
      const response = await f.api.fetch(new Request(url, { headers }), peer);
      return response.status === 200 ? 200 : [response.status, ...(await errorsOf(response))];
    };
    const password = basic(ADMIN.name, ADMIN.password);
    const plain = [401, 'Connection is not encrypted'];
    expect(await asked('http://localhost/v1/auth', { remoteAddress: '192.0.2.1' }, password)).toEqual(plain);
    expect(await asked('http://localhost/v1/auth', {}, password)).toEqual(plain);
    const encrypted = { remoteAddress: '192.0.2.1', encrypted: true };
    expect(await asked('http://localhost/v1/auth', encrypted, password)).toBe(200);
    expect(await asked('https://localhost/v1/auth', { remoteAddress: '192.0.2.1' }, password)).toBe(200);
    for (const remoteAddress of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])
      expect(await asked('http://localhost/v1/auth', { remoteAddress }, password)).toBe(200);

    const token = await tokenOf(f);
    const response = await f.ask('GET', '/v1/auth', { as: null, headers: bearer(token) });
    expect([response.status, await errorsOf(response)]).toEqual([
      401,
      ['A token is given for a name and a password only.'],
    ]);
  });

  test('is refused without a challenge, and so is the wrong password of one who asks for one', async () => {
    const f = await fixture();
    const asked = [
      await f.ask('GET', '/v1/sessions', { as: null, headers: bearer('abc') }),
      await f.ask('GET', '/v1/auth', { as: { name: 'admin', password: 'wrong' } }),
      await f.ask('GET', '/v1/auth', { as: null }),
    ];
    for (const response of asked) {
      expect([response.status, await errorsOf(response)]).toEqual([401, ['Access denied']]);
      expect(response.headers.has('www-authenticate')).toBe(false);
    }
  });

  test.each(['yes', 'true', 'ON', '1'])(
    'is never put into a cookie: persist=%s and logout are a 400',
    async (yes) => {
      const f = await fixture();
      for (const name of ['persist', 'logout']) {
        const response = await f.ask('GET', `/v1/auth?${name}=${yes}`);
        expect(response.status).toBe(400);
        expect(response.headers.has('set-cookie')).toBe(false);
        expect((await errorsOf(response))[0]).toMatch(new RegExp(`^${name}: no cookie`));
      }
      expect((await f.ask('GET', '/v1/auth?persist=no')).status).toBe(200);
    },
  );

  test('counts in Authorization only, and as the only credential in it', async () => {
    const f = await fixture();
    const token = await tokenOf(f);
    const password = { as: { name: 'admin', password: 'wrong' } };
    const bare = { as: null };
    for (const [path, options] of [
      ['/v1/sessions', { ...bare, headers: { cookie: `token_sig=${token}` } }],
      ['/v1/sessions', { ...bare, headers: { cookie: `token=${token}`, 'x-auth-token': token } }],
      [`/v1/sessions?token=${token}&access_token=${token}`, bare],
      ['/v1/sessions', { ...bare, headers: { authorization: token } }],
      ['/v1/sessions', { ...bare, headers: { authorization: `Bearer ${token}, Basic x` } }],
      ['/v1/sessions', { ...password, headers: { cookie: `token_sig=${token}` } }],
    ] as const)
      expect([path.length, (await f.ask('GET', path, options)).status]).toEqual([path.length, 401]);
    expect(JSON.stringify([f.access, f.environment.entries])).not.toContain(token.split('.')[2]);
  });
});

describe('a forged token', () => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

  test('is refused, whatever was forged', async () => {
    const f = await fixture();
    const token = await tokenOf(f, BASIC);
    const [head = '', body = '', signature = ''] = token.split('.');
    const mine = claims(token);
    const key = Buffer.from((await readFile(`${f.usersFile}.key`, 'utf8')).trim(), 'base64url');
    const signed = (payload: Record<string, unknown>, header: Record<string, unknown> = {}, by = key) =>
      new SignJWT(payload).setProtectedHeader({ alg: 'HS256', typ: 'JWT', ...header }).sign(by);
    expect(await use(f, await signed(mine))).toBe(200);

    const without = (name: string) =>
      Object.fromEntries(Object.entries(mine).filter(([key]) => key !== name));
    const forged = [
      `${head}.${part({ ...mine, sub: 'admin', aud: 'admin', account: 'admin' })}.${signature}`,
      `${part({ alg: 'none', typ: 'JWT' })}.${body}.`,
      `${part({ alg: 'none', typ: 'JWT' })}.${body}.${signature}`,
      `${head}.${body}.`,
      `${head}.${body}`,
      `${head}.${body}.${signature}x`,
      `${head}.${body}.${signature}.${signature}`,
      '',
      '..',
      'a.b.c',
      'x'.repeat(8_000),
      await signed(mine, { alg: 'HS512' }),
      await signed(mine, {}, Buffer.alloc(32)),
      await signed(mine, { typ: 'at+jwt' }),
      await signed({ ...mine, account: 'admin' }),
      await signed({ ...mine, sub: 'admin' }),
      await signed({ ...mine, sub: 'nobody', aud: 'nobody' }),
      await signed({ ...mine, sub: '__proto__', aud: '__proto__' }),
      await signed({ ...mine, change: Number(mine.change) + 1 }),
      await signed({ ...mine, change: undefined }),
      await signed({ ...mine, iss: 'maxscale' }),
      await signed({ ...mine, iat: Number(mine.iat) + 3_600 }),
      await signed({ ...mine, iat: Number(mine.iat) - 90_000 }),
      await signed({ ...mine, nbf: Number(mine.iat) + 3_600 }),
      ...(await Promise.all(
        ['exp', 'iat', 'iss', 'sub', 'aud', 'account'].map((name) => signed(without(name))),
      )),
    ];
    for (const [i, each] of forged.entries()) expect([i, await use(f, each)]).toEqual([i, 401]);
    expect(f.access.filter(({ status }) => status === 401).every(({ actor }) => actor === undefined)).toBe(
      true,
    );
  });
});

describe('whether an Authorization is meant for an admin API', () => {
  test('is told by its issuer alone, valid or not', async () => {
    const f = await fixture();
    const token = await tokenOf(f);
    for (const [value, expected] of [
      [`Bearer ${token}`, true],
      [`bearer  ${token}x`, true],
      [basic('admin', 'x'), false],
      [
        `Bearer ${await new SignJWT({ iss: 'https://id.example' }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.alloc(32))}`,
        false,
      ],
      ['Bearer a.b.c', false],
      [`Bearer a.${Buffer.from('null').toString('base64url')}.c`, false],
      ['Bearer', false],
    ] as const)
      expect([value.slice(0, 12), isAdminToken(value)]).toEqual([value.slice(0, 12), expected]);
  });
});
