import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { testEnvironment } from '@sessionkit/testkit';
import { describe, expect, test } from 'vitest';
import { createUsers } from '../src/index.js';
import { CHEAP, errorsOf, fixture, temporaryFolder } from './fixture.js';
import { openUsers as open } from './users-file.js';

describe('the users file', () => {
  test('keeps users over a restart, with a hash and never the password', async () => {
    const { users, again, file, environment } = await open();
    await users.add('ann', 'open sesame', 'admin');
    await environment.advance(1_000);
    await users.add('bob', 'open sesame', 'basic');
    await environment.advance(1_000);
    await users.passwd('bob', 'close sesame');

    const start = environment.now() - 2_000;
    expect(await again().list()).toEqual([
      {
        name: 'ann',
        account: 'admin',
        change: start,
        created: start,
        lastUpdate: undefined,
        lastLogin: undefined,
      },
      {
        name: 'bob',
        account: 'basic',
        change: start + 2_000,
        created: start + 1_000,
        lastUpdate: start + 2_000,
        lastLogin: undefined,
      },
    ]);
    const text = await readFile(file, 'utf8');
    expect(text).not.toContain('sesame');
    expect(text.match(/\$scrypt\$ln=4,r=1,p=1\$/g)).toHaveLength(2);
    expect(new Set(text.match(/\$scrypt[^"]+/g)).size).toBe(2);
  });

  test('is readable by its owner only and leaves nothing beside it', async () => {
    const { users, file } = await open();
    await users.add('ann', 'x', 'admin');
    await users.passwd('ann', 'y');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(file, '..'))).toEqual(['users.json']);
  });

  test('gets its folder made', async () => {
    const environment = testEnvironment();
    const file = join(await temporaryFolder(), 'a', 'b', 'users.json');
    await createUsers({ file, cost: CHEAP, environment }).add('ann', 'x', 'admin');
    expect((await stat(file)).isFile()).toBe(true);
  });

  test('is read again when another process changed it', async () => {
    const { users, again } = await open();
    await users.add('ann', 'x', 'admin');
    expect(await users.list()).toHaveLength(1);
    const cli = again();
    await cli.add('bob', 'y', 'basic');
    expect(await users.verify('bob', 'y')).toMatchObject({ name: 'bob' });
    await cli.remove('bob');
    expect(await users.verify('bob', 'y')).toBeUndefined();
  });

  test('loses no change of writers that write at the same time', async () => {
    const { users, again } = await open();
    await users.add('ann', 'x', 'admin');
    const writers = [users, again(), again(), again()];
    await Promise.all(Array.from({ length: 20 }, (_, i) => writers[i % 4]?.add(`user ${i}`, 'x', 'basic')));
    await Promise.all(writers.map((writer) => writer.noteLogin('ann')));
    expect(await again().list()).toHaveLength(21);
  });

  test.each([
    ['text', 'not json, and secret', 'it is not JSON'],
    ['another document', '[]', 'the document: '],
    ['a newer format', '{"format":2,"users":[]}', 'format: '],
    ['an unknown member', '{"format":1,"users":[],"x":1}', 'the document: '],
    [
      'a hash of another kind',
      JSON.stringify({ format: 1, users: [entry({ password: 'secret' })] }),
      'users.0.password: is not a scrypt hash in PHC form',
    ],
    [
      'a hash that would take 64 GiB',
      JSON.stringify({ format: 1, users: [entry({ password: hash('ln=30') })] }),
      'users.0.password: is not a scrypt hash in PHC form',
    ],
    [
      'an unknown account',
      JSON.stringify({ format: 1, users: [entry({ account: 'root' })] }),
      'users.0.account: ',
    ],
    [
      'a name with a colon',
      JSON.stringify({ format: 1, users: [entry({ name: 'a:b' })] }),
      'users.0.name: is not a user name',
    ],
    [
      'a user twice',
      JSON.stringify({ format: 1, users: [entry({}), entry({})] }),
      'a user stands in it twice',
    ],
  ])(
    'that is broken (%s) is an error with the path and the fix, that quotes nothing, and is left as it is',
    async (_name, text, why) => {
      const { users, file } = await open();
      await writeFile(file, text, { mode: 0o600 });
      for (const verb of [
        () => users.list(),
        () => users.verify('ann', 'x'),
        () => users.add('ann', 'x', 'admin'),
      ]) {
        await expect(verb()).rejects.toMatchObject({
          code: 'CONFIG_INVALID',
          message: expect.stringMatching(
            new RegExp(`^The users file ${file} is broken: ${why}.*Restore it from a backup`),
          ),
        });
        await expect(verb()).rejects.not.toMatchObject({ message: expect.stringContaining('secret') });
      }
      expect(await readFile(file, 'utf8')).toBe(text);
    },
  );

  test('that is a folder is an error with the path', async () => {
    const { users, file } = await open();
    await mkdir(file);
    await expect(users.list()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(file),
    });
    await expect(users.add('ann', 'x', 'admin')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('stays with its owner, also when root changes it for a server that runs as somebody else', async () => {
    const { users, file } = await open();
    await users.add('ann', 'open sesame', 'admin');
    const owner = process.getuid?.() === 0 ? 12_345 : process.getuid?.();
    if (process.getuid?.() === 0) await chown(file, 12_345, 12_345);
    await users.passwd('ann', 'close sesame');
    expect((await stat(file)).uid).toBe(owner);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  test('knows a name and a password however their letters are composed', async () => {
    const { ask, users } = await fixture();
    await users.add('José'.normalize('NFD'), 'pässwörd', 'basic');
    await expect(users.add('José'.normalize('NFC'), 'other', 'basic')).rejects.toThrow('already');
    for (const form of ['NFC', 'NFD'] as const) {
      const as = { name: 'José'.normalize(form), password: 'pässwörd'.normalize(form) };
      expect((await ask('GET', '/v1/', { as })).status).toBe(200);
      expect(await users.find(as.name)).toMatchObject({ name: 'José'.normalize('NFC') });
    }
  });

  test('behind a symbolic link is changed itself, and the link stays', async () => {
    const { users, file, environment } = await open();
    await users.add('ann', 'open sesame', 'admin');
    const link = join(await temporaryFolder(), 'link.json');
    await symlink(file, link);
    const linked = createUsers({ file: link, cost: CHEAP, environment });
    await linked.passwd('ann', 'close sesame');
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(await users.verify('ann', 'open sesame')).toBeUndefined();
    expect(await users.verify('ann', 'close sesame')).toMatchObject({ name: 'ann' });
  });

  test('that is deleted, cut short or emptied while the server runs lets nobody in, remembered or not', async () => {
    const { ask, usersFile } = await fixture();
    const whole = await readFile(usersFile, 'utf8');
    expect((await ask('GET', '/v1/')).status).toBe(200);
    await rm(usersFile);
    expect((await ask('GET', '/v1/')).status).toBe(401);
    for (const part of ['', whole.slice(0, whole.length / 2), '[]', '{"format":1}']) {
      await writeFile(usersFile, part);
      expect([part.length, (await ask('GET', '/v1/')).status]).toEqual([part.length, 503]);
    }
    await writeFile(usersFile, whole);
    expect((await ask('GET', '/v1/')).status).toBe(200);
  });

  test('that others can read is warned about once, with the fix', async () => {
    const { users, file, environment } = await open();
    await users.add('ann', 'x', 'admin');
    await chmod(file, 0o644);
    await users.list();
    await chmod(file, 0o640);
    await users.list();
    expect(environment.entries).toEqual([
      { level: 'warning', message: `others can read or change the users file ${file}: chmod 600 ${file}` },
    ]);
  });

  test('that stays locked is a conflict that says what to do', async () => {
    const { users, file } = await open();
    await writeFile(`${file}.lock`, '');
    await expect(users.add('ann', 'x', 'admin')).rejects.toMatchObject({
      code: 'CONFLICT',
      retryable: true,
      message: expect.stringContaining(`remove ${file}.lock`),
    });
  });

  test('that breaks while the API runs is a 503 that tells the client nothing of it', async () => {
    const { ask, usersFile, environment } = await fixture();
    expect((await ask('GET', '/v1/')).status).toBe(200);
    await writeFile(usersFile, '{');
    const response = await ask('GET', '/v1/');
    expect(response.status).toBe(503);
    expect(await errorsOf(response)).toEqual(['The users cannot be read. The log of the process says why.']);
    expect(environment.entries.at(-1)).toMatchObject({
      level: 'error',
      error: { message: expect.stringContaining(usersFile) },
    });
    await rm(usersFile);
    expect((await ask('GET', '/v1/')).status).toBe(401);
  });
});

describe('a user', () => {
  test.each(['', 'a:b', 'a\nb', 'a\u0000', '\u007f', '__proto__', 'x'.repeat(256), 'ü'.repeat(128)])(
    'cannot be called %j',
    async (name) => {
      const { users } = await open();
      await expect(users.add(name, 'x', 'admin')).rejects.toMatchObject({
        code: 'INVALID_VALUE',
        message: expect.stringContaining('user name'),
      });
      expect(await users.list()).toEqual([]);
    },
  );

  test.each(['', 'a\nb', 'a\u0000', 'x'.repeat(1_025)])('cannot have the password %j', async (password) => {
    const { users } = await open();
    await users.add('ann', 'x', 'admin');
    for (const verb of [() => users.add('bob', password, 'basic'), () => users.passwd('ann', password)]) {
      await expect(verb()).rejects.toMatchObject({
        code: 'INVALID_VALUE',
        message: 'Not a password: it has 1 to 1024 bytes and no control characters.',
      });
    }
    expect(await users.verify('ann', 'x')).toBeDefined();
    expect(await users.verify('ann', password)).toBeUndefined();
  });

  test('has a name of its own, told apart by case', async () => {
    const { users } = await open();
    await users.add('ann', 'x', 'admin');
    await expect(users.add('ann', 'y', 'basic')).rejects.toMatchObject({
      code: 'INVALID_VALUE',
      message: "There is a user 'ann' already.",
    });
    await users.add('Ann', 'y', 'basic');
    expect(await users.verify('ann', 'y')).toBeUndefined();
    expect(await users.verify('Ann', 'y')).toMatchObject({ account: 'basic' });
  });

  test('that is not there cannot be changed', async () => {
    const { users } = await open();
    await users.add('ann', 'x', 'admin');
    for (const verb of [() => users.passwd('bob', 'x'), () => users.remove('bob')]) {
      await expect(verb()).rejects.toMatchObject({
        code: 'INVALID_VALUE',
        message: "There is no user 'bob'.",
      });
    }
  });

  test('who is the last admin cannot be removed', async () => {
    const { users } = await open();
    await users.add('ann', 'x', 'admin');
    await users.add('bob', 'x', 'basic');
    await expect(users.remove('ann')).rejects.toMatchObject({
      code: 'INVALID_VALUE',
      message: "'ann' is the last admin. Add another admin first.",
    });
    await users.add('eve', 'x', 'admin');
    await users.remove('ann');
    expect((await users.list()).map((user) => user.name)).toEqual(['bob', 'eve']);
  });

  test('has a change counter that never repeats, even for the same name in a new file', async () => {
    const { users, file, environment } = await open();
    const changes = [(await users.add('ann', 'x', 'admin')).change, (await users.passwd('ann', 'y')).change];
    await rm(file);
    await environment.advance(10);
    changes.push((await users.add('ann', 'x', 'admin')).change);
    expect(new Set(changes).size).toBe(3);
    expect(changes).toEqual([...changes].sort((a, b) => a - b));
  });

  test('may type the same letters in another Unicode form', async () => {
    const { users } = await open();
    await users.add('ann', 'caf\u00e9', 'admin');
    expect(await users.verify('ann', 'cafe\u0301')).toBeDefined();
  });

  test('that does not exist takes as long to refuse as one that does', async () => {
    const environment = testEnvironment();
    const file = join(await temporaryFolder(), 'users.json');
    const users = createUsers({ file, cost: { ln: 14, r: 8, p: 1 }, environment });
    await users.add('ann', 'x', 'admin');
    const cpu = async (name: string) => {
      const from = process.cpuUsage();
      for (let i = 0; i < 4; i++) await users.verify(name, 'wrong');
      const { user, system } = process.cpuUsage(from);
      return user + system;
    };
    await cpu('ann');
    const known = await cpu('ann');
    const unknown = await cpu('nobody');
    expect(unknown / known).toBeGreaterThan(0.4);
    expect(unknown / known).toBeLessThan(2.5);
  });
});

function hash(cost: string): string {
  return `$scrypt$${cost},r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;
}

function entry(over: Readonly<Record<string, unknown>>): unknown {
  const created = '2026-06-01T12:00:00.000Z';
  return {
    name: 'ann',
    account: 'admin',
    password: hash('ln=14'),
    change: 1,
    created,
    last_update: null,
    last_login: null,
    ...over,
  };
}
