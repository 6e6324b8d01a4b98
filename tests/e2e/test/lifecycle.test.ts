import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { App, config, OPERATOR, PASSWORD, run, startApp, startUpstream, temporaryFolder } from './app.js';
import { send } from './client.js';

const basic = (password: string) => ({
  authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`,
});
const hello = () => startUpstream((_request, response) => response.end('hello'));

async function takePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

describe('starting', () => {
  it('takes free ports for port 0 and tells them, one line per listener', async () => {
    const yaml = config(await hello(), { more: '' }).replace(
      'listeners: { public: { service: shop, port: 0 } }',
      'listeners: { public: { service: shop, port: 0 }, six: { service: shop, address: "::1", port: 0 } }',
    );
    const app = await startApp(yaml);
    const lines = app.log.map(({ msg }) => String(msg)).filter((msg) => msg.startsWith('listening: '));
    expect(lines).toEqual([
      `listening: public ${app.public} -> shop`,
      `listening: six ${app.url('six')} -> shop`,
      `listening: admin ${app.admin}`,
    ]);
    expect(app.url('six')).toMatch(/^http:\/\/\[::1\]:\d+$/);
    for (const url of [app.public, app.url('six')]) expect((await send(url)).body).toBe('hello');
  });

  it('names the listener of a taken port, and closes what was open', async () => {
    const { server, port } = await takePort();
    const free = await takePort();
    free.server.close();
    const yaml = config(await hello()).replace(
      'listeners: { public: { service: shop, port: 0 } }',
      `listeners: { first: { service: shop, port: ${free.port} }, public: { service: shop, port: ${port} } }`,
    );
    const app = new App(yaml);
    expect(await app.ended).toBe(1);
    expect(app.stderr).toContain(`listeners.public: port ${port} on 127.0.0.1 is taken by another program`);
    expect(app.stderr).toContain('choose another port');
    expect(app.stderr).not.toContain('listening:');
    server.close();
  });

  it('names a taken port of the admin API', async () => {
    const { server, port } = await takePort();
    const app = new App(config(await hello()).replace('"127.0.0.1:0"', `"127.0.0.1:${port}"`));
    expect(await app.ended).toBe(1);
    expect(app.stderr).toMatch(new RegExp(`admin\\.listen: .*127\\.0\\.0\\.1:${port}.*taken`));
    expect(existsSync(join(app.folder, 'sessionkit-users.json'))).toBe(false);
    server.close();
  });

  it('tells all problems of a wrong configuration, and listens nowhere', async () => {
    const app = new App(config('ftp://x').replace('port: 0', 'port: -1'));
    expect(await app.ended).toBe(1);
    expect(app.stderr).toContain('sessionkit.yaml: 2 problems');
    expect(app.stderr).not.toContain('listening:');
  });

  it('has nothing to do without a listener and an admin API', async () => {
    const app = new App('services: { shop: {} }\nadmin: false\n');
    expect(await app.ended).toBe(1);
    expect(app.stderr).toMatch(/nothing would listen|no listener/);
  });
});

describe('the first admin user', () => {
  it('gets the password of SESSIONKIT_ADMIN_PASSWORD, which is shown nowhere', async () => {
    const app = await startApp(config(await hello()));
    expect((await send(`${app.admin}/v1/sessions`, { headers: OPERATOR })).status).toBe(200);
    expect((await send(`${app.admin}/v1/sessions`, { headers: basic('wrong') })).status).toBe(401);
    expect(existsSync(join(app.folder, 'sessionkit-users.json.password'))).toBe(false);
    expect(await app.stop()).toBe(0);
    expect(app.stdout + app.stderr).not.toContain(PASSWORD);
    expect(readFileSync(join(app.folder, 'sessionkit-users.json'), 'utf8')).not.toContain(PASSWORD);
  });

  it('gets a random one in a file of its own where there is no terminal, once', async () => {
    const cwd = temporaryFolder();
    const yaml = config(await hello());
    const app = await startApp(yaml, { cwd, env: {} });
    const file = join(cwd, 'sessionkit-users.json.password');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const password = readFileSync(file, 'utf8').trim();
    expect(app.stderr).toContain(file);
    expect((await send(`${app.admin}/v1/sessions`, { headers: basic(password) })).status).toBe(200);
    expect(await app.stop()).toBe(0);
    expect(app.stdout + app.stderr).not.toContain(password);

    const again = await startApp(yaml, { cwd, env: { SESSIONKIT_ADMIN_PASSWORD: 'another one' } });
    expect((await send(`${again.admin}/v1/sessions`, { headers: basic(password) })).status).toBe(200);
    expect(again.stderr).not.toContain('was made');
  });

  it.each([
    ['olga', 'the admin user "admin" was made'],
    ['admin', 'is an admin, so that nobody can change anything: sessionkit user add NAME --role admin'],
  ])('beside the user %s, who may only look: %s', async (name, told) => {
    const cwd = temporaryFolder();
    const args = ['user', 'add', name, '--users-file', 'sessionkit-users.json'];
    expect(await run(args, { cwd, stdin: 'a long password\n' })).toMatchObject({ code: 0 });
    const app = await startApp(config(await hello()), { cwd, env: {} });
    expect(app.stderr.replaceAll('\\"', '"')).toContain(told);
  });

  it('is not made when SESSIONKIT_ADMIN_PASSWORD is no password', async () => {
    const app = new App(config(await hello()), { env: { SESSIONKIT_ADMIN_PASSWORD: 'a\tb' } });
    expect(await app.ended).toBe(1);
    expect(app.stderr).toContain('Not a password');
    expect(app.stderr).not.toContain('a\tb');
  });
});

describe('running', () => {
  it('answers /healthz and /readyz without credentials', async () => {
    const app = await startApp(config(await hello()));
    for (const path of ['/healthz', '/readyz']) {
      const answer = await send(app.admin + path);
      expect(answer).toMatchObject({ status: 200, body: expect.stringContaining('ok') });
    }
    expect((await send(`${app.admin}/v1/sessions`)).status).toBe(401);
  });

  it('writes the admin requests into the access log, without credentials', async () => {
    const app = await startApp(config(await hello()));
    await send(`${app.admin}/v1/sessions`, { headers: OPERATOR });
    expect(await app.stop()).toBe(0);
    expect(app.access).toEqual([
      expect.objectContaining({
        listener: 'admin',
        action: 'sessions.list',
        actor: 'admin',
        status: 200,
        address: '127.0.0.1',
      }),
    ]);
    expect(app.stdout).not.toContain(OPERATOR.authorization.slice(6));
  });

  it('survives that nobody reads its logs any more', async () => {
    const app = await startApp(config(await hello()));
    app.child.stdout?.destroy();
    for (let i = 0; i < 5; i++) expect((await send(app.public)).status).toBe(200);
    app.child.stderr?.destroy();
    expect((await send(app.public)).status).toBe(200);
    expect(await app.stop()).toBe(0);
  });

  it('lets no operator password through to the upstream', async () => {
    const upstream = await startUpstream((request, response) =>
      response.end(String(request.headers.authorization)),
    );
    const app = await startApp(config(upstream));
    expect((await send(app.public, { headers: OPERATOR })).body).toBe('undefined');
    expect((await send(app.public, { headers: basic('mistyped') })).body).toBe('undefined');
    const other = { authorization: `Basic ${Buffer.from('shopper:x').toString('base64')}` };
    expect((await send(app.public, { headers: other })).body).toBe(other.authorization);
  });
});
