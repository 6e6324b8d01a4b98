import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { main } from '../src/cli.js';
import { createUsers } from '../src/index.js';
import { basic, temporaryFolder } from './fixture.js';

const CONFIG = `
session: { transport: { type: cookie }, backend: { type: memory } }
services: { shop: {} }
admin: { listen: "127.0.0.1:0", users_file: users.json }
`;

/** Runs the program on `config` until it listens; the answer's `stop` ends it. */
async function start(config: string, options: { terminal?: boolean; folder?: string } = {}) {
  const folder = options.folder ?? (await temporaryFolder());
  const file = join(folder, 'sessionkit.yaml');
  await writeFile(file, config);
  const told: string[] = [];
  const accessed: string[] = [];
  const stop = new AbortController();
  let listening = (_url: string) => {};
  const url = new Promise<string>((resolve) => {
    listening = resolve;
  });
  const ended = main(['--config', file], {
    out: (line) => accessed.push(line),
    tell: (line) => {
      told.push(line);
      const found = /^listening: admin (.*)/.exec(line)?.[1];
      if (found !== undefined) listening(found);
    },
    terminal: options.terminal ?? false,
    stop: stop.signal,
    home: import.meta.url,
    conditions: ['@sessionkit/source'],
  });
  onTestFinished(async () => {
    stop.abort();
    await ended;
  });
  const started = await Promise.race([url, ended.then((code) => `ended with ${code}`)]);
  const end = () => {
    stop.abort();
    return ended;
  };
  return { folder, file, told, accessed, url: started, stop: end };
}

function withoutPassword() {
  vi.stubEnv('SESSIONKIT_ADMIN_PASSWORD', '');
  onTestFinished(() => void vi.unstubAllEnvs());
}

describe('the program', { timeout: 30_000 }, () => {
  test('serves the API alone, says that it will show no session of a memory backend, and stops when told to', async () => {
    vi.stubEnv('SESSIONKIT_ADMIN_PASSWORD', 'from the environment');
    onTestFinished(() => void vi.unstubAllEnvs());
    const program = await start(CONFIG);
    expect(program.told.filter((line) => line.includes('service shop are in a memory backend'))).toHaveLength(
      1,
    );
    expect(program.told.join('\n')).not.toContain('from the environment');
    const headers = { authorization: basic('admin', 'from the environment') };
    expect(await (await fetch(`${program.url}/v1/services/shop`, { headers })).json()).toMatchObject({
      data: { id: 'shop', attributes: { backend: 'memory', transports: ['cookie'] } },
    });
    expect(program.accessed.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({
        actor: 'admin',
        action: 'services.get',
        status: 200,
        outcome: 'ok',
        time: expect.any(String),
      }),
    ]);
    expect(await program.stop()).toBe(0);
    await expect(fetch(program.url)).rejects.toThrow();
  });

  test('speaks HTTPS when the configuration names a certificate, and says what is wrong with one that is not there', async () => {
    vi.stubEnv('SESSIONKIT_ADMIN_PASSWORD', 'from the environment');
    onTestFinished(() => void vi.unstubAllEnvs());
    const tls = join(import.meta.dirname, 'fixtures', 'tls');
    const config = (key: string) =>
      CONFIG.replace('users_file', `tls: { cert: "${tls}/admin.crt", key: "${key}" }, users_file`);
    const program = await start(config(`${tls}/admin.key`));
    expect(program.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    await program.stop();
    const broken = await start(config('none.key'));
    expect(broken.url).toBe('ended with 1');
    expect(broken.told.join('\n')).toContain(
      `admin.tls.key: ${broken.folder}/none.key cannot be read (ENOENT). Name a PEM file that this process may read.`,
    );
  });

  test('shows the first password on a terminal, once', async () => {
    withoutPassword();
    const program = await start(CONFIG, { terminal: true });
    const [, password = ''] = /shown this once: (\S+)/.exec(program.told.join('\n')) ?? [];
    const ask = (url: string) =>
      fetch(`${url}/v1/`, { headers: { authorization: basic('admin', password) } });
    expect((await ask(program.url)).status).toBe(200);
    await program.stop();
    const again = await start(CONFIG, { terminal: true, folder: program.folder });
    expect(again.told.join('\n')).not.toContain('shown this once');
    expect((await ask(again.url)).status).toBe(200);
  });

  test('puts the first password into a file of its own where there is no terminal', async () => {
    withoutPassword();
    const program = await start(CONFIG);
    const file = join(program.folder, 'users.json.password');
    expect(program.told.join('\n')).toContain(file);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const password = (await readFile(file, 'utf8')).trim();
    expect(program.told.join('\n')).not.toContain(password);
    const headers = { authorization: basic('admin', password) };
    expect((await fetch(`${program.url}/v1/`, { headers })).status).toBe(200);
  });

  test('warns where no user may change anything', async () => {
    withoutPassword();
    const folder = await temporaryFolder();
    const users = createUsers({ file: join(folder, 'users.json') });
    await users.add('admin', 'a long password', 'basic');
    const program = await start(CONFIG, { folder });
    expect(program.told.join('\n')).toContain('warning: no user is an admin');
  });

  test.each([
    ['a mistake in it', 'services: { shop: { sesion: true } }', 'sesion'],
    ['no admin API in it', 'services: { shop: {} }\nadmin: false', 'admin is false'],
    ['an address beyond loopback in it', CONFIG.replace('127.0.0.1:0', '0.0.0.0:0'), 'insecure: true'],
  ])('ends with 1 for a configuration with %s, and says why', async (_name, config, why) => {
    const program = await start(config);
    expect(program.url).toBe('ended with 1');
    expect(program.told.join('\n')).toContain(why);
  });

  test.each([
    [['--help'], 0, 'Usage: admin-api'],
    [[], 1, '--config is missing'],
    [['--colour'], 1, "Unknown option '--colour'"],
    [['--config', '/nowhere/at/all.yaml'], 1, '/nowhere/at/all.yaml'],
  ])('with %j ends with %i and tells how it is used', async (args, code, text) => {
    const told: string[] = [];
    const surroundings = {
      out: () => {},
      tell: (line: string) => void told.push(line),
      terminal: false,
      stop: new AbortController().signal,
      home: import.meta.url,
    };
    expect(await main(args, surroundings)).toBe(code);
    expect(told.join('\n')).toContain(text);
  });
});
