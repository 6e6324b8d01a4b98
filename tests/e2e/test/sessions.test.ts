import { execFile } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LONG, print } from '@sessionkit/test-stores/run';
import { afterEach, describe, expect, it } from 'vitest';
import {
  config,
  PASSWORD,
  Program,
  repository,
  run,
  startApp,
  startUpstream,
  temporaryFolder,
} from './app.js';
import { cookieOf, idOf, send } from './client.js';

const exec = promisify(execFile);
const bin = join(repository, 'apps', 'sessionkit', 'bin', 'sessionkit.mjs');
const certificates = join(repository, 'apps', 'admin-api', 'test', 'fixtures', 'tls');
const env = { SESSIONKIT_ADMIN_PASSWORD: PASSWORD };
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

const upstream = () => startUpstream((_request, response) => response.end('ok'));

/** Begins a session through a gateway; answers its id. */
async function begin(url: string): Promise<string> {
  return idOf(cookieOf(await send(url)));
}

/** An admin API that has pages of made-up sessions, and nothing but them. */
async function endless(pages: number): Promise<{ url: string; asked: () => number }> {
  let asked = 0;
  const id = (number: number) => `s${String(number).padStart(26, '0')}`;
  const server = createServer((request, response) => {
    const after = new URL(request.url ?? '', 'http://x').searchParams.get('page[after]') ?? '';
    const from = asked++ === 0 ? 1 : Number(after.slice(1)) + 1;
    const data = Array.from({ length: 500 }, (_, i) => ({
      id: id(from + i),
      type: 'sessions',
      attributes: {
        user: `user${from + i}`,
        remote: '192.0.2.7',
        connected: 'Fri, 05 Jan 2024 07:24:06 GMT',
        idle: 5.2,
        state: 'Session started',
      },
      relationships: { services: { data: [{ id: 'shop', type: 'services' }] } },
    }));
    const next = `http://127.0.0.1/v1/sessions/?page%5Bafter%5D=${id(from + 499)}`;
    response.end(JSON.stringify({ data, links: asked < pages ? { next } : {} }));
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked };
}

describe('sessionkit sessions', () => {
  it('lists, shows, alters and ends the sessions of a running gateway', async () => {
    const app = await startApp(config(await upstream()));
    const [one, two, three] = [await begin(app.public), await begin(app.public), await begin(app.public)];
    const at = ['--url', app.admin];
    const list = await run(['sessions', 'list', ...at], { env });
    expect(list).toMatchObject({ code: 0, stderr: '' });
    expect(
      list.stdout
        .trimEnd()
        .split('\n')
        .slice(1)
        .map((row) => row.split(' ')[0]),
    ).toEqual([one, two, three].sort());

    const altered = await run(
      ['sessions', 'alter', one, '--set', 'log_info=true', '--set', 'log_error=false', ...at],
      { env },
    );
    expect(altered).toEqual({ code: 0, stdout: `altered ${one}\n`, stderr: '' });
    const shown = await run(['sessions', 'show', one, ...at], { env });
    expect(shown.stdout).toMatch(/^parameters\.log_info +true$/m);

    const gone = 's01k6y3v9qxm2r8t4w7z5b1c0d3';
    const ended = await run(['sessions', 'end', one, gone, two, ...at], { env });
    expect(ended).toEqual({
      code: 1,
      stdout: `ended ${one}\nended ${two}\n`,
      stderr: `error: ${gone}: There is no living session ${gone}.\n`,
    });
    const left = await run(['sessions', 'list', '--json', '--service', 'shop', ...at], { env });
    expect((JSON.parse(left.stdout) as { id: string }[]).map(({ id }) => id)).toEqual([three]);
    const nobody = await run(['sessions', 'list', '--json', '--user', 'nobody', ...at], { env });
    expect(nobody).toEqual({ code: 0, stdout: '[]\n', stderr: '' });

    // Wrong once, and told without the password.
    const wrong = await run(['sessions', 'list', ...at], {
      env: { SESSIONKIT_ADMIN_PASSWORD: 'wrong horse' },
    });
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toBe(
      `error: ${app.admin} refuses the user admin with the password from SESSIONKIT_ADMIN_PASSWORD\n`,
    );

    await app.stop();
    const down = await run(['sessions', 'list', ...at], { env });
    expect(down).toMatchObject({ code: 1, stdout: '' });
    expect(down.stderr).toMatch(/nothing listens there; is the program running/);
  });

  it('works without any option beside the configuration, from the first start on', async () => {
    // Its port is chosen by the system, and free again when it is written down.
    const { url: free } = await endless(1);
    for (const server of servers.splice(0)) server.close();
    const yaml = config(await upstream()).replace(
      'listen: "127.0.0.1:0"',
      `listen: "127.0.0.1:${new URL(free).port}"`,
    );
    const app = await startApp(yaml, { env: {} });
    const id = await begin(app.public);
    const list = await run(['sessions', 'list'], { cwd: app.folder });
    expect(list).toMatchObject({ code: 0, stderr: '' });
    expect(list.stdout).toContain(id);
    const other = await run(['sessions', 'list', '--user-name', 'ann'], { cwd: app.folder });
    expect(other).toMatchObject({ code: 1, stdout: '' });
    expect(other.stderr).toMatch(/^error: there is no password for ann: set SESSIONKIT_ADMIN_PASSWORD/);
    const file = await run(['sessions', 'list', '--password-file', '-'], {
      cwd: app.folder,
      stdin: `${readFileSync(join(app.folder, 'sessionkit-users.json.password'), 'utf8')}`,
    });
    expect(file).toMatchObject({ code: 0, stderr: '' });
  });

  it('asks for the password on a terminal, and shows nothing of it', async () => {
    const app = await startApp(config(await upstream()));
    const id = await begin(app.public);
    const command = `"${process.execPath}" "${bin}" sessions list --url ${app.admin}`;
    const terminal = exec('script', ['-qec', command, '/dev/null'], {
      env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' },
    });
    // A terminal shows what is typed before it is asked for.
    terminal.child.stdout?.once('data', () => terminal.child.stdin?.end(`${PASSWORD}\n`));
    const { stdout } = await terminal;
    expect(stdout).toContain('Password of admin: ');
    expect(stdout).toContain(id);
    expect(stdout).not.toContain(PASSWORD);
  });

  it('speaks TLS, with the certificate of the configuration or one that is named', async () => {
    const folder = temporaryFolder();
    for (const name of ['admin.crt', 'admin.key']) copyFileSync(join(certificates, name), join(folder, name));
    const { url: free } = await endless(1);
    for (const server of servers.splice(0)) server.close();
    const yaml = config(await upstream()).replace(
      'listen: "127.0.0.1:0"',
      `listen: "127.0.0.1:${new URL(free).port}", tls: { cert: admin.crt, key: admin.key }`,
    );
    const app = await startApp(yaml, { cwd: folder });
    const id = await begin(app.public);
    const url = `https://127.0.0.1:${new URL(free).port}`;
    const untrusted = await run(['sessions', 'list', '--url', url], { env });
    expect(untrusted).toMatchObject({ code: 1, stdout: '' });
    expect(untrusted.stderr).toMatch(/its certificate is not trusted \(\w+\); --ca FILE/);
    const trusted = await run(['sessions', 'list', '--url', url, '--ca', join(certificates, 'ca.crt')], {
      env,
    });
    expect(trusted).toMatchObject({ code: 0, stderr: '' });
    expect(trusted.stdout).toContain(id);
    const own = await run(['sessions', 'list', '--json'], { env, cwd: folder });
    expect(own).toMatchObject({ code: 0, stderr: '' });
    const clear = await run(['sessions', 'list', '--url', url.replace('https:', 'http:')], { env });
    expect(clear).toMatchObject({ code: 1, stdout: '' });
    expect(clear.stderr).toMatch(/the connection was cut|answered 400 Bad Request/);
  });

  it('ends quietly when its reader has read enough, and asks for no more', async () => {
    const { url, asked } = await endless(1_000);
    const command = `"${process.execPath}" "${bin}" sessions list --url ${url} | head -3`;
    const { stdout, stderr } = await exec('bash', ['--norc', '-o', 'pipefail', '-c', command], {
      env: { PATH: process.env.PATH ?? '', ...env },
    });
    expect(stdout.split('\n')).toHaveLength(4);
    expect(stderr).toBe('');
    expect(asked()).toBeLessThan(20);
  });

  it('waits for a reader that is slower, and asks for no more meanwhile', async () => {
    const { url, asked } = await endless(1_000);
    const command = `"${process.execPath}" "${bin}" sessions list --url ${url} | (sleep 1; head -1)`;
    await exec('bash', ['--norc', '-c', command], { env: { PATH: process.env.PATH ?? '', ...env } });
    expect(asked()).toBeLessThan(20);
  });

  it('is interrupted by Ctrl-C at once', async () => {
    const server = createServer(() => {}).listen(0, '127.0.0.1');
    servers.push(server);
    const asked = new Promise((resolve) => server.once('request', resolve));
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const program = new Program(['sessions', 'list', '--url', url], { env });
    await asked;
    expect(await program.stop('SIGINT')).toBe('SIGINT');
    expect([program.stdout, program.stderr]).toEqual(['', '']);
  });

  it('lists any number of sessions in the same memory', async () => {
    const most = async (pages: number, json: boolean) => {
      const { url } = await endless(pages);
      const args = ['sessions', 'list', '--url', url, ...(json ? ['--json'] : [])];
      const program = new Program(args, { env });
      let peak = 0;
      let rows = 0;
      program.child.stdout?.on('data', () => {
        // What has been read is counted and thrown away.
        rows += program.stdout.split('\n').length - 1;
        program.stdout = program.stdout.slice(program.stdout.lastIndexOf('\n') + 1);
        const status = readFileSync(`/proc/${program.child.pid}/status`, 'utf8');
        peak = Math.max(peak, Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0));
      });
      expect(await program.ended).toBe(0);
      return { rows, peak: peak / 1024 };
    };
    const few = await most(4, false);
    const many = LONG ? 2_000 : 100;
    for (const json of [false, true]) {
      const begun = Date.now();
      const { rows, peak } = await most(many, json);
      expect(rows).toBe(json ? many * 500 + 2 : many * 500 + 1);
      print(
        `sessionkit sessions list${json ? ' --json' : ''}: ${many * 500} rows in ${Math.round((Date.now() - begun) / 100) / 10} s, ${Math.round(peak)} MB at most, ${Math.round(peak - few.peak)} MB above 2000 rows`,
      );
      expect(peak - few.peak).toBeLessThan(100);
    }
  }, 900_000);
});

describe('the command line of sessions', () => {
  it.each([
    [['sessions', 'lst'], /unknown command 'lst'/],
    [['sessions', 'show'], /missing required argument 'id'/],
    [['sessions', 'end'], /missing required argument 'id'/],
    [['sessions', 'end', 'x', '--ttl', 'soon'], /It must be a whole number of seconds/],
    [['sessions', 'list', '--timeout', '0'], /It must be at least 1/],
    [['sessions', 'list', '--url', 'http://x', '--config', 'y'], /cannot be used with/],
    [['sessions', 'list', '--filter', 'a=1', '--filter', 'b=1'], /--filter can be given once/],
    [['sessions', 'alter', 'x'], /nothing to change: give '--set' or '--filters'/],
    [['sessions', 'alter', 'x', '--set', 'log_info=maybe'], /It must be one of log_debug, log_info/],
    [['sessions', 'alter', 'x', '--set', 'colour=true'], /It must be one of log_debug, log_info/],
    [['sessions', 'list', '--password', 'x'], /unknown option '--password'/],
  ])('refuses %j with exit code 2', async (args, message) => {
    const { code, stdout, stderr } = await run(args, { env });
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  it('says how it is used, and where credentials come from', async () => {
    const all = await run(['sessions', '--help']);
    expect(all.code).toBe(0);
    for (const verb of ['list', 'show', 'end', 'alter']) {
      expect(all.stdout).toContain(`  ${verb} `);
      const { code, stdout } = await run(['sessions', verb, '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain('SESSIONKIT_ADMIN_PASSWORD');
      expect(stdout).toContain('--password-file');
    }
  });

  it('refuses to send a password in the clear, and one on the command line', async () => {
    const clear = await run(['sessions', 'list', '--url', 'http://ops.example.com'], { env });
    expect(clear).toMatchObject({ code: 1, stdout: '' });
    expect(clear.stderr).toMatch(/in the clear: use https:\/\//);
    const inside = await run(['sessions', 'list', '--url', 'http://admin:hunter2@127.0.0.1'], { env });
    expect(inside).toMatchObject({ code: 1, stdout: '' });
    expect(inside.stderr).not.toContain('hunter2');
  });

  it('names a wrong configuration', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'sessionkit.yaml'), 'servces: {}\n');
    const { code, stderr } = await run(['sessions', 'list'], { cwd: folder, env });
    expect(code).toBe(1);
    expect(stderr).toContain('servces');
  });
});
