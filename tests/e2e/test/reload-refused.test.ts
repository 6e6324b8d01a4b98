import { once } from 'node:events';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPERATOR, repository, run, startUpstream } from './app.js';
import { cookieOf, send } from './client.js';
import { counting, freePort, Gateway } from './reloading.js';

let upstream: string;

beforeAll(async () => {
  upstream = await startUpstream(counting);
});

interface Parts {
  readonly session?: string;
  readonly filters?: string;
  readonly shop?: string;
  readonly listeners?: string;
  readonly admin?: string;
  readonly more?: string;
}

const yaml = (parts: Parts = {}) => `
session: ${parts.session ?? '{ auto_create: true, transport: { type: cookie, cookie_name: sid }, backend: { type: memory } }'}
filters: ${parts.filters ?? '{ gentle: { type: limit, concurrency: 9 } }'}
servers: { up: { url: "${upstream}", steer: true } }
services: { shop: ${parts.shop ?? '{ router: { type: proxy, servers: [up] }, filters: [gentle] }'} }
listeners: ${parts.listeners ?? '{ public: { service: shop, port: 0 } }'}
admin: ${parts.admin ?? '{ listen: "127.0.0.1:0" }'}
${parts.more ?? ''}`;

const session = (more: string, transport = '{ type: cookie, cookie_name: sid }') =>
  `{ auto_create: true, transport: ${transport}, ${more} }`;

/** What is wrong, and what the operator is told of it. */
const MISTAKES: Readonly<Record<string, readonly [text: () => string, told: RegExp]>> = {
  'no YAML': [() => 'services: [', /line 1:/],
  'an unknown key': [() => yaml({ more: 'listener: {}' }), /listener: this key is not known here.*listeners/],
  'a time that is none': [() => yaml({ session: session('duration: -5') }), /session\.duration/],
  'a filter that is not there': [
    () => yaml({ filters: '{}' }),
    /services\.shop\.filters\[0\]: there is no filter "gentle"/,
  ],
  'a server that is not there': [
    () => yaml({ shop: '{ router: { type: proxy, servers: [down] } }' }),
    /there is no server "down"/,
  ],
  'a package that is not installed': [
    () => yaml({ session: session('backend: { type: couchbase, resource: x }') }),
    /backend-couchbase|resource/,
  ],
  'a variable that is not set': [
    () => yaml({ more: `drain_timeout: "$${'{NO_SUCH_VARIABLE}'}"` }),
    /NO_SUCH_VARIABLE/,
  ],
  'a filter that limits nothing': [
    () => yaml({ filters: '{ gentle: { type: limit } }' }),
    /filters\.gentle: /,
  ],
  'two services with one cookie': [
    () =>
      yaml({ shop: '{ router: { type: proxy, servers: [up] } }' }).replace(
        'services: {',
        'services: { blog: { router: { type: proxy, servers: [up] } },',
      ),
    /use the cookie "sid" on one backend/,
  ],
  'a listener for no service': [
    () => yaml({ listeners: '{ public: { service: blog, port: 0 } }' }),
    /listeners\.public\.service: there is no service "blog"/,
  ],
  'nothing that listens': [() => yaml({ listeners: '{}', admin: 'false' }), /nothing would listen/],
  'another backend for sessions that live in memory': [
    () => yaml({ session: session('backend: { type: memory, max_sessions: 5 }') }),
    /services\.shop\.session\.backend: .*would be lost/,
  ],
  'an admin API for everybody, in the clear': [
    () => yaml({ admin: '{ listen: "0.0.0.0:0" }' }),
    /admin\.listen/,
  ],
  'a certificate that is not there': [
    () => yaml({ admin: '{ listen: "127.0.0.1:1", tls: { cert: no.crt, key: no.key } }' }),
    /admin\.tls\.cert: .*no\.crt cannot be read/,
  ],
};

describe('a bad configuration changes nothing', () => {
  /** One for all mistakes, so that what one of them left behind would show with the next. */
  let gateway: Gateway;

  beforeAll(async () => {
    gateway = await Gateway.start(yaml());
  });

  afterAll(async () => {
    expect(await gateway.app.stop()).toBe(0);
  });

  it.each(Object.entries(MISTAKES))('%s', async (_name, [text, told]) => {
    const url = gateway.url('public');
    const headers = { cookie: cookieOf(await send(url)) };
    const open = await gateway.descriptors();
    const before = await Promise.all(['services', 'listeners', 'filters', 'maxscale'].map(shown(gateway)));
    // A mistake beside a change that would be taken: it is all or nothing.
    const bad = text().replace('concurrency: 9', 'concurrency: 3');
    const { code, stdout, stderr } = await gateway.command(bad);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^The configuration was not taken, and nothing has changed:\n {2}\S/);
    expect(stderr).toMatch(told);
    const logged = await gateway.signal(bad);
    expect(logged).toMatch(/was not taken, and nothing has changed: /);
    expect(logged).toMatch(told);
    expect((await send(`${gateway.app.admin}/readyz`)).status).toBe(200);
    expect(await Promise.all(['services', 'listeners', 'filters', 'maxscale'].map(shown(gateway)))).toEqual(
      before,
    );
    expect(await gateway.descriptors()).toBeLessThanOrEqual(open + 1);
    expect((await send(url, { headers })).body).toBe('visit 2');
    // And the right one is taken afterwards.
    expect(await gateway.signal(yaml())).toMatch(/nothing is different/);
  });

  it('a port that another program has, behind one that was free', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const free = await freePort();
    const gateway = await Gateway.start(yaml());
    const next = yaml({
      filters: '{ gentle: { type: limit, concurrency: 1 } }',
      listeners: `{ first: { service: shop, port: ${free} }, public: { service: shop, port: ${port} } }`,
    });
    const { code, stderr } = await gateway.command(next);
    expect(code).toBe(1);
    expect(stderr).toContain(`listeners.public: port ${port} on 127.0.0.1 is taken by another program`);
    await expect(send(`http://127.0.0.1:${free}`)).rejects.toThrow('ECONNREFUSED');
    expect((await send(gateway.url('public'))).status).toBe(200);
    expect((await gateway.ask('filters/gentle')).data).toMatchObject({
      attributes: { parameters: { concurrency: 9 } },
    });
    taken.close();
    await once(taken, 'close');
    expect((await gateway.command(next)).code).toBe(0);
    expect((await send(`http://127.0.0.1:${port}`)).status).toBe(200);
    expect(await gateway.app.stop()).toBe(0);
  });

  it('a port that a listener of its own has on another address, which it says', async () => {
    const port = await freePort();
    const at = (address: string) =>
      yaml({ listeners: `{ public: { service: shop, address: ${address}, port: ${port} } }` });
    const gateway = await Gateway.start(at('127.0.0.1'));
    const { code, stderr } = await gateway.command(at('0.0.0.0'));
    expect(code).toBe(1);
    expect(stderr).toContain('is held by the listener "public" of this process on 127.0.0.1');
    expect((await send(gateway.url('public'))).status).toBe(200);
    expect(await gateway.app.stop()).toBe(0);
  });
});

const shown = (gateway: Gateway) => async (path: string) => {
  const text = JSON.stringify((await gateway.ask(path)).data);
  return text.replace(
    /"(process_datetime|uptime|total_connections|totalConnections|statistics)":("[^"]*"|\d+|\{[^}]*\})/g,
    '',
  );
};

describe('the admin API by another section', () => {
  const fixtures = join(repository, 'apps', 'admin-api', 'test', 'fixtures', 'tls');
  const subject = (port: number) =>
    new Promise<unknown>((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().subject?.CN);
        socket.end();
      }).on('error', reject);
    });

  it('shows another certificate when its files are others, and keeps the old one when they do not fit', async () => {
    const port = await freePort();
    const text = yaml({ admin: `{ listen: "127.0.0.1:${port}", tls: { cert: a.crt, key: a.key } }` });
    const gateway = await Gateway.start(yaml());
    const put = (cert: string, key: string) => {
      copyFileSync(join(fixtures, cert), join(gateway.app.folder, 'a.crt'));
      rmSync(join(gateway.app.folder, 'a.key'), { force: true });
      copyFileSync(join(fixtures, key), join(gateway.app.folder, 'a.key'));
    };
    put('admin.crt', 'admin.key');
    expect(await gateway.signal(text)).toMatch(/: admin changed$/);
    expect(await subject(port)).toBe('localhost');
    put('client.crt', 'admin.key');
    expect(await gateway.signal(text)).toMatch(/was not taken/);
    expect(await subject(port)).toBe('localhost');
    put('client.crt', 'client.key');
    expect(await gateway.signal(text)).toMatch(/^reloaded/);
    expect(await subject(port)).toBe('operator');
    const plain = text.replace(/, tls: \{[^}]*\}/, '');
    expect(await gateway.signal(plain)).toMatch(/was not taken/);
    expect(gateway.app.stderr).toContain('cannot change on 127.0.0.1');
    expect(await subject(port)).toBe('operator');
    expect(await gateway.app.stop()).toBe(0);
  });

  it('moves, has other users, goes and comes back', async () => {
    const [one, two] = [await freePort(), await freePort()];
    const gateway = await Gateway.start(yaml({ admin: `{ listen: "127.0.0.1:${one}" }` }));
    const list = (port: number) => send(`http://127.0.0.1:${port}/v1/sessions`, { headers: OPERATOR });
    expect((await list(one)).status).toBe(200);
    expect(await gateway.signal(yaml({ admin: `{ listen: "127.0.0.1:${two}" }` }))).toMatch(
      /: admin changed$/,
    );
    expect((await list(two)).status).toBe(200);
    await expect(list(one)).rejects.toThrow('ECONNREFUSED');
    const users = join(gateway.app.folder, 'others.json');
    const add = await run(['user', 'add', 'olga', '--role', 'admin', '--users-file', users], {
      stdin: 'a long password\n',
    });
    expect(add.code).toBe(0);
    await gateway.signal(yaml({ admin: `{ listen: "127.0.0.1:${two}", users_file: others.json }` }));
    expect((await list(two)).status).toBe(401);
    const olga = { authorization: `Basic ${Buffer.from('olga:a long password').toString('base64')}` };
    expect((await send(`http://127.0.0.1:${two}/v1/sessions`, { headers: olga })).status).toBe(200);
    writeFileSync(users, '{ broken');
    expect(
      await gateway.signal(
        yaml({ admin: `{ listen: "127.0.0.1:${two}", users_file: others.json, hosts: [a.example] }` }),
      ),
    ).toMatch(/was not taken/);
    await gateway.signal(yaml({ admin: 'false' }));
    await expect(list(two)).rejects.toThrow('ECONNREFUSED');
    expect((await send(gateway.url('public'))).status).toBe(200);
    await gateway.signal(yaml({ admin: `{ listen: "127.0.0.1:${one}" }` }));
    expect((await list(one)).status).toBe(200);
    expect(await gateway.app.stop()).toBe(0);
  });

  it('asks for a reload only of an admin, and says so where there is nothing that could', async () => {
    const gateway = await Gateway.start(yaml());
    const add = await run(
      ['user', 'add', 'reader', '--users-file', join(gateway.app.folder, 'sessionkit-users.json')],
      { stdin: 'a long password\n' },
    );
    expect(add.code).toBe(0);
    const reader = { authorization: `Basic ${Buffer.from('reader:a long password').toString('base64')}` };
    const url = `${gateway.app.admin}/v1/maxscale/reload`;
    expect((await send(url, { method: 'POST', headers: reader })).status).toBe(401);
    expect((await send(url, { method: 'POST' })).status).toBe(401);
    expect((await send(url, { method: 'POST', headers: OPERATOR })).status).toBe(200);
    expect(await gateway.app.stop()).toBe(0);
    const { code, stderr } = await run(['reload', '--url', gateway.app.admin], {
      env: { SESSIONKIT_ADMIN_PASSWORD: 'x' },
    });
    expect([code, stderr]).toEqual([1, expect.stringContaining('nothing listens there')]);
  });
});
