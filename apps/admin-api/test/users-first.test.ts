import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { firstUser, firstUserInFile } from '../src/index.js';
import { openUsers as open } from './users-file.js';

describe('the first user', () => {
  test('is admin with a random password, told once', async () => {
    vi.stubEnv('SESSIONKIT_ADMIN_PASSWORD', '');
    onTestFinished(() => void vi.unstubAllEnvs());
    const { users, environment } = await open();
    const first = await firstUser(users, { environment });
    expect(first).toEqual({ name: 'admin', password: expect.stringMatching(/^[\w-]{24}$/) });
    expect(await users.verify('admin', first?.password ?? '')).toMatchObject({ account: 'admin' });
    expect(await firstUser(users, { environment })).toBeUndefined();
  });

  test('takes the password of the environment, or the one that is handed in, and tells neither', async () => {
    vi.stubEnv('SESSIONKIT_ADMIN_PASSWORD', 'from the environment');
    onTestFinished(() => void vi.unstubAllEnvs());
    const one = await open();
    expect(await firstUser(one.users)).toEqual({ name: 'admin', password: undefined });
    expect(await one.users.verify('admin', 'from the environment')).toBeDefined();
    const two = await open();
    expect(await firstUser(two.users, { password: 'handed in' })).toEqual({
      name: 'admin',
      password: undefined,
    });
    expect(await two.users.verify('admin', 'handed in')).toBeDefined();
  });

  test('is made also where there are only users who may look, unless one of them has the name', async () => {
    const one = await open();
    await one.users.add('olga', 'a long password', 'basic');
    expect(await firstUser(one.users, { password: 'handed in' })).toMatchObject({ name: 'admin' });
    expect(await one.users.find('admin')).toMatchObject({ account: 'admin' });
    const two = await open();
    await two.users.add('admin', 'a long password', 'basic');
    expect(await firstUser(two.users, { password: 'handed in' })).toBeUndefined();
    expect(await two.users.find('admin')).toMatchObject({ account: 'basic' });
  });

  test('is not made beside an admin of another name', async () => {
    const { users } = await open();
    await users.add('olga', 'a long password', 'admin');
    expect(await firstUser(users, { password: 'handed in' })).toBeUndefined();
    expect(await users.list()).toHaveLength(1);
  });

  test('is made by one of two processes that start together', async () => {
    const { users, again } = await open();
    const made = await Promise.all([
      firstUser(users, { password: 'a' }),
      firstUser(again(), { password: 'b' }),
    ]);
    expect(made.filter((first) => first !== undefined)).toHaveLength(1);
    expect(await users.list()).toHaveLength(1);
  });

  test('has its password in a file only its owner can read, in place of one from earlier', async () => {
    const { users, file } = await open();
    await writeFile(`${file}.password`, 'of an earlier one\n', { mode: 0o644 });
    expect(await firstUserInFile(users)).toEqual({ name: 'admin', file: `${file}.password` });
    expect((await stat(`${file}.password`)).mode & 0o777).toBe(0o600);
    const password = await readFile(`${file}.password`, 'utf8');
    expect(await users.verify('admin', password.trimEnd())).toMatchObject({ account: 'admin' });
    expect(await firstUserInFile(users)).toBeUndefined();
    expect(await readFile(`${file}.password`, 'utf8')).toBe(password);
  });

  test('has the file of the process that made it, of several that start together', async () => {
    const { users, file, again } = await open();
    const made = await Promise.all([users, again(), again(), again()].map((each) => firstUserInFile(each)));
    expect(made.filter((first) => first !== undefined)).toEqual([
      { name: 'admin', file: `${file}.password` },
    ]);
    const password = await readFile(`${file}.password`, 'utf8');
    expect(await users.verify('admin', password.trimEnd())).toMatchObject({ account: 'admin' });
    const left = (await readdir(dirname(file))).filter((name) => name.includes('.password'));
    expect(left).toEqual(['users.json.password']);
  });

  test('has a file of another name where that of its password cannot be replaced', async () => {
    const { users, file } = await open();
    await mkdir(`${file}.password`);
    const made = await firstUserInFile(users);
    const password = await readFile(made?.file ?? '', 'utf8');
    expect(await users.verify('admin', password.trimEnd())).toMatchObject({ account: 'admin' });
  });
});
