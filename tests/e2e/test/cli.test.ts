import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { config, repository, run, temporaryFolder } from './app.js';

const USERS = ['--users-file', 'users.json'];

function folderWith(yaml: string): string {
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, 'sessionkit.yaml'), yaml);
  return cwd;
}

describe('the command line', () => {
  it('tells its version and how it is used', async () => {
    const { version } = JSON.parse(
      readFileSync(join(repository, 'apps', 'sessionkit', 'package.json'), 'utf8'),
    ) as { version: string };
    expect(await run(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
    const help = await run(['--help']);
    expect(help.code).toBe(0);
    for (const command of ['serve', 'check', 'schema', 'user'])
      expect(help.stdout).toContain(`  ${command} `);
  });

  it.each([
    [['chek'], /unknown command 'chek'\n.*Did you mean check/],
    [['--confg', 'x'], /unknown option '--confg'/],
    [['serve', '--port', '1'], /unknown option '--port'/],
    [['serve', 'extra'], /too many arguments/],
    [['check', '--config'], /argument missing/],
    [['user', 'add', 'a', '--role', 'root'], /Allowed choices are admin, basic/],
    [['user', 'add', 'a', '--users-file', 'f', '--config', 'c'], /cannot be used with/],
    [['user', 'rename'], /unknown command 'rename'/],
    [['sessions', 'list', '--filter', 'idle>600'], /It must be a pointer, = and an expression/],
  ])('refuses %j with exit code 2', async (args, message) => {
    const { code, stdout, stderr } = await run(args);
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  it('says how a configuration is named, where its name stands alone', async () => {
    const cwd = folderWith('services: {}');
    const stderr = async (...args: string[]) => (await run(args, { cwd })).stderr.split('\n').at(-2);
    expect(await stderr('check', 'sessionkit.yaml')).toBe(
      'name the configuration by --config: sessionkit check --config FILE',
    );
    expect(await stderr('sessionkit.yaml')).toBe(
      'name the configuration by --config: sessionkit serve --config sessionkit.yaml',
    );
    expect(await stderr('schema', 'sessionkit.yaml')).toMatch(/^error: too many arguments/);
  });

  it.each([[[]], [['serve']], [['check']]])('%j without a configuration shows how to begin', async (args) => {
    const { code, stderr } = await run(args);
    expect(code).toBe(1);
    expect(stderr).toContain('There is no sessionkit.yaml in this folder');
    // What is shown is a configuration.
    const yaml = stderr.slice(stderr.indexOf('\nsession:'));
    expect(await run(['check'], { cwd: folderWith(yaml) })).toMatchObject({ code: 0 });
  });

  it('names a configuration that is not there', async () => {
    const { code, stderr } = await run(['serve', '--config', 'nowhere.yaml']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/nowhere\.yaml.*there is no such file/s);
  });
});

describe('check', () => {
  it('accepts a right configuration and starts nothing', async () => {
    const { code, stdout } = await run(['check'], { cwd: folderWith(config('http://127.0.0.1:1')) });
    expect(stdout).toBe('OK sessionkit.yaml: 1 service, 1 listener, admin API on 127.0.0.1:0\n');
    expect(code).toBe(0);
  });

  it('refuses one of which nothing would listen, as `serve` does', async () => {
    const cwd = folderWith('services: { shop: {} }\nadmin: false\n');
    const refused = { code: 1, stdout: '', stderr: expect.stringContaining('nothing would listen') };
    expect(await run(['check'], { cwd })).toMatchObject(refused);
    expect(await run(['serve'], { cwd })).toMatchObject(refused);
  });

  it('accepts the configuration of the demo and the one of the README', async () => {
    const home = join(repository, 'apps', 'sessionkit');
    expect(await run(['check', '--config', join(home, 'config', 'demo.yaml')])).toMatchObject({
      code: 0,
      stderr: '',
    });
    const readme = readFileSync(join(home, 'README.md'), 'utf8');
    const [, ...demo] = readFileSync(join(home, 'config', 'demo.yaml'), 'utf8').split('\n');
    expect(readme).toContain(demo.join('\n'));
    const yaml = /```yaml\n(.*?)```/s.exec(readme)?.[1] ?? '';
    expect(await run(['check'], { cwd: folderWith(yaml) })).toMatchObject({ code: 0, stderr: '' });
  });

  it('looks at the files of `admin.tls`, as `serve` does', async () => {
    const at = (name: string) => join(repository, 'apps', 'admin-api', 'test', 'fixtures', 'tls', name);
    const checked = (cert: string, key: string) => {
      const tls = `{ cert: ${JSON.stringify(cert)}, key: ${JSON.stringify(key)} }`;
      const yaml = config('http://127.0.0.1:1').replace('admin: {', `admin: { tls: ${tls},`);
      return run(['check'], { cwd: folderWith(yaml) });
    };
    expect(await checked(at('admin.crt'), at('admin.key'))).toMatchObject({ code: 0, stderr: '' });
    const other = await checked(at('admin.crt'), at('client.key'));
    expect(other).toMatchObject({ code: 1, stdout: '' });
    expect(other.stderr).toMatch(/^error: admin\.tls\.key: .* is not the key of the certificate in /);
    expect((await checked('nowhere.crt', 'nowhere.key')).stderr).toMatch(
      /^error: admin\.tls\.cert: .*nowhere\.crt cannot be read \(ENOENT\)/,
    );
  });

  it('reports ten mistakes as ten problems, each with its place and its fix', async () => {
    const cwd = folderWith(`
session:
  duration: soon
  auto_create: maybe
  transport: { type: cookies }
  backend: { type: memory, max_sessions: -1 }
servers:
  up: { url: "127.0.0.1:9001" }
services:
  shop: { router: { type: proxy, servers: [upp] } }
listeners:
  public: { service: shopp, port: 8080 }
  other: { service: shop, port: 99999 }
trust_proxy: true
drain_timout: 5
`);
    const { code, stdout, stderr } = await run(['check'], { cwd });
    expect(stderr).toContain('sessionkit.yaml: 10 problems');
    expect(stderr.match(/^ {2}sessionkit\.yaml:\d+:\d+ /gm)).toHaveLength(10);
    expect(stderr.match(/^ {4}fix: ./gm)).toHaveLength(10);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });
});

describe('schema', () => {
  it('prints a JSON Schema that knows the sections of the shipped modules', async () => {
    const { code, stdout } = await run(['schema']);
    expect(code).toBe(0);
    const schema = JSON.parse(stdout) as { $schema: string; properties: Record<string, unknown> };
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(Object.keys(schema.properties)).toEqual(
      expect.arrayContaining(['session', 'servers', 'services', 'listeners', 'admin', 'drain_timeout']),
    );
    expect(stdout).toContain('cookie_name');
    expect(stdout).toContain('max_sessions');
  });
});

describe('user', () => {
  it('adds, changes and removes users, in a file that only its owner reads, and never shows a password', async () => {
    const cwd = temporaryFolder();
    const add = await run(['user', 'add', 'ann', '--role', 'admin', ...USERS], {
      cwd,
      stdin: 'first secret\n',
    });
    expect(add).toEqual({ code: 0, stdout: '', stderr: 'added ann (admin) to users.json\n' });
    const file = join(cwd, 'users.json');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const before = readFileSync(file, 'utf8');
    expect(before).not.toContain('first secret');

    const change = await run(['user', 'passwd', 'ann', ...USERS], { cwd, stdin: 'second secret\n' });
    expect(change).toMatchObject({ code: 0, stdout: '' });
    expect(readFileSync(file, 'utf8')).not.toBe(before);

    expect(await run(['user', 'add', 'bob', ...USERS], { cwd, stdin: 'third\n' })).toMatchObject({ code: 0 });
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
      users: [
        { name: 'ann', account: 'admin' },
        { name: 'bob', account: 'basic' },
      ],
    });
    const list = ['user', 'list', ...USERS];
    const both = 'NAME  ROLE\nann   admin\nbob   basic\n';
    expect(await run(list, { cwd })).toEqual({ code: 0, stdout: both, stderr: '' });
    expect(await run(['user', 'remove', 'bob', ...USERS], { cwd })).toMatchObject({ code: 0 });
    expect(await run(list, { cwd })).toMatchObject({ stdout: 'NAME  ROLE\nann   admin\n' });
  });

  it('prints a generated password once, with nothing else on stdout', async () => {
    const cwd = temporaryFolder();
    const { code, stdout } = await run(['user', 'add', 'ann', '--generate', ...USERS], { cwd });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^password: [\w-]{24}\n$/);
    expect(readFileSync(join(cwd, 'users.json'), 'utf8')).not.toContain(stdout.trim().slice(10));
  });

  it('takes the file from the configuration', async () => {
    const cwd = folderWith(config('http://127.0.0.1:1').replace('listen:', 'users_file: ops.json, listen:'));
    expect(await run(['user', 'add', 'ann', '--generate'], { cwd })).toMatchObject({ code: 0 });
    expect(existsSync(join(cwd, 'ops.json'))).toBe(true);
  });

  it.each([
    ['without a password', ['user', 'add', 'ann', ...USERS], '', /no password on stdin/],
    ['with an empty one', ['user', 'add', 'ann', ...USERS], '\n', /Not a password/],
    ['of a name with a colon', ['user', 'add', 'a:b', ...USERS], 'x\n', /no colon/],
    ['of an unknown user', ['user', 'passwd', 'ann', ...USERS], 'x\n', /no user 'ann'/],
    ['to remove an unknown user', ['user', 'remove', 'ann', ...USERS], '', /no user 'ann'/],
  ])('refuses an order %s with exit code 1', async (_what, args, stdin, message) => {
    const { code, stdout, stderr } = await run(args, { stdin });
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });

  it('keeps the last admin', async () => {
    const cwd = temporaryFolder();
    await run(['user', 'add', 'ann', '--role', 'admin', '--generate', ...USERS], { cwd });
    const { code, stderr } = await run(['user', 'remove', 'ann', ...USERS], { cwd });
    expect(stderr).toContain('last admin');
    expect(code).toBe(1);
  });
});
