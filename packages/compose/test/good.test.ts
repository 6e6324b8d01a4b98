import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatProblems } from '../src/index.js';
import { home, read } from './reading.js';

const update = process.env.UPDATE_GOLDENS === '1';
const folder = join(home, 'good');
const files = readdirSync(folder)
  .filter((file) => file.endsWith('.yaml'))
  .sort();

async function config(name: string) {
  const reading = await read(`good/${name}.yaml`);
  expect(reading.error?.message).toBeUndefined();
  if (reading.config === undefined) throw new Error('not reached');
  return reading.config;
}

describe('a good file', () => {
  it.each(files)('%s is taken, with exactly the warnings beside it', async (file) => {
    const { config: checked, problems, warnings } = await read(`good/${file}`);
    expect(problems).toEqual([]);
    expect(checked).toBeDefined();
    const golden = join(folder, file.replace(/\.yaml$/, '.txt'));
    const text = warnings.length === 0 ? '' : `${formatProblems(file, warnings, 'warning')}\n`;
    if (update && text !== '') writeFileSync(golden, text);
    expect(text).toBe(existsSync(golden) ? readFileSync(golden, 'utf8') : '');
  });

  it('without a session is stateless, and so is a service that says false', async () => {
    expect((await config('stateless')).services.get('shop')?.session).toBeUndefined();
    const { services } = await config('stateless-false');
    expect(services.get('shop')?.session).toBeUndefined();
    expect(services.get('intern')?.session?.transports[0]?.type).toBe('bearer');
  });

  it('admin is on by default, and off by false or by listen: false', async () => {
    expect((await config('mark')).admin).toEqual({
      address: '127.0.0.1',
      port: 8989,
      usersFile: join(folder, 'sessionkit-users.json'),
      hosts: [],
      tls: undefined,
      insecure: false,
      basicSeesActivity: false,
      showData: false,
    });
    expect((await config('stateless')).admin).toBeUndefined();
    expect((await config('stateless-false')).admin).toBeUndefined();
  });

  it('the files of admin.tls are looked for beside the file, and with them admin may listen anywhere', async () => {
    expect((await config('admin-tls')).admin).toMatchObject({
      address: '0.0.0.0',
      tls: {
        cert: join(folder, 'certs', 'admin.crt'),
        key: '/etc/ssl/admin.key',
        ca: undefined,
        minVersion: 'TLSv1.3',
      },
      insecure: false,
      basicSeesActivity: true,
      showData: true,
    });
  });

  it('what is left out means cookie and memory, limits of 300, 10 s to drain, 2 s for a store', async () => {
    const { services, drainTimeout, storeDeadline, trustProxy } = await config('left-out');
    const session = services.get('shop')?.session;
    expect(session?.transports.map(({ carrier }) => carrier.cookie)).toEqual(['sxapi-sess']);
    expect(session?.backend.module.type).toBe('memory');
    expect(session?.options.limits).toEqual({ creations: 300, failedTokens: 300 });
    expect({ drainTimeout, storeDeadline, trustProxy }).toEqual({
      drainTimeout: 10_000,
      storeDeadline: 2000,
      trustProxy: [],
    });
  });

  it('environment variables become numbers and booleans where the place wants them, and stay text elsewhere', async () => {
    const { services, listeners } = await config('variables');
    // Keys are names: nothing is put into them.
    const service = services.get('$'.concat('{SECONDS}'));
    expect(service?.session?.options).toMatchObject({
      duration: 120_000,
      autoCreate: true,
      loginUrl: '/login',
      limits: { creations: 12, failedTokens: 300 },
    });
    expect(service?.session?.transports[0]?.carrier.cookie).toBe('sid');
    expect(service?.session?.backend.config).toMatchObject({ max_sessions: 12 });
    expect(service?.router?.config).toMatchObject({ text: '120 '.concat('$', '{SECONDS} none') });
    expect(listeners[0]?.port).toBe(8080);
  });

  it('merge keys give what is not written, the earlier one first', async () => {
    const { services } = await config('merge');
    expect(services.get('shop')?.session?.options.duration).toBe(60_000);
    expect(services.get('blog')?.session?.options).toMatchObject({ duration: 90_000, idleTimeout: 30_000 });
    expect(services.get('blog')?.router?.config).toMatchObject({ text: 'shop' });
  });

  it('sections that mean the same backend have one key, whatever the order of their keys', async () => {
    const { services } = await config('share');
    const keys = [...services.values()].map(({ session }) => session?.backend.key);
    expect(keys[0]).toBe(keys[1]);
    const doubts = await config('doubts');
    expect(doubts.services.get('shop')?.session?.backend.key).not.toBe(
      doubts.services.get('blog')?.session?.backend.key,
    );
  });
});

describe('a file that cannot be read', () => {
  it('is a problem like any other', async () => {
    const { error } = await read('good/none.yaml');
    expect(error?.code).toBe('CONFIG_INVALID');
    expect(error?.problems[0]?.message).toBe('there is no such file');
    expect((await read('good')).error?.problems[0]?.message).toBe('this is a folder');
  });

  it('is refused when it is not UTF-8', async () => {
    const { error } = await read('modules/latin1.txt');
    expect(error?.problems[0]).toMatchObject({
      message: 'the file is not UTF-8 text',
      fix: 'save it as UTF-8',
    });
  });
});
