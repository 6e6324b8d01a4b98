import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startRedis } from '@sessionkit/test-stores/redis';
import { LONG, print } from '@sessionkit/test-stores/run';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { OPERATOR, startUpstream, until } from './app.js';
import { cookieOf, idOf, send } from './client.js';
import { counting, freePort, Gateway, traffic } from './reloading.js';

let upstream: string;
let other: string;
let redis: Awaited<ReturnType<typeof startRedis>>;

beforeAll(async () => {
  redis = await startRedis({ durable: true });
  upstream = await startUpstream(counting);
  other = await startUpstream(counting);
});

afterAll(() => redis.stop());

interface Parts {
  readonly idle?: number;
  readonly rate?: number;
  readonly pool?: number;
  readonly server?: string;
  readonly listeners?: string;
  readonly services?: string;
  readonly resources?: string;
  readonly more?: string;
}

/** Two services, one with its sessions in memory, one in Redis. */
const yaml = (parts: Parts = {}) => `
session: { auto_create: true, idle_timeout: ${parts.idle ?? 900}, limits: false, transport: { type: cookie, cookie_name: mem }, backend: { type: memory } }
resources: { store: { _class: redis, url: "${redis.url}" }${parts.resources ?? ''} }
filters:
  gentle: { type: limit, rate: { requests: ${parts.rate ?? 100_000}, per: 3600 } }
  lines: { type: log, level: notice }
servers: { up: { url: "${parts.server ?? upstream}", steer: true }, alt: { url: "${other}", steer: true } }
services:
  shop: { router: { type: proxy, servers: [up], connections: ${parts.pool ?? 50} }, filters: [gentle] }
  kept: { router: { type: proxy, servers: [up, alt], connections: ${parts.pool ?? 50} }, session: { transport: { type: cookie, cookie_name: red }, backend: { type: redis, resource: store } } }
${parts.services ?? ''}
listeners:
${parts.listeners ?? '  public: { service: shop, port: 0 }\n  kept: { service: kept, port: 0 }'}
admin: { listen: "127.0.0.1:0" }
${parts.more ?? ''}`;

const BLOG =
  '  blog: { router: { type: proxy, servers: [alt] }, session: { transport: { type: cookie, cookie_name: blog }, backend: { type: redis, resource: store } } }\n';

/** Configurations that differ in something else each: one after the other, each is a change. */
const VARIANTS: readonly (() => string)[] = [
  () => yaml({ idle: 600 }),
  () => yaml({ rate: 50_000 }),
  () => yaml({ pool: 40 }),
  () => yaml({ server: other }),
  () => yaml({ services: BLOG }),
  () => yaml({ more: 'trust_proxy: [192.0.2.0/24]\ndrain_timeout: 5' }),
  () => yaml({ more: 'store_deadline: 3' }),
  () => yaml(),
];

describe('a reload under steady traffic', () => {
  it('fails no request and loses no session, in memory and in Redis', async () => {
    const count = 20;
    const gateway = await Gateway.start(yaml());
    const load = await traffic([gateway.url('public'), gateway.url('kept')], LONG ? 20 : 5);
    for (let i = 0; i < count; i++) {
      const next = VARIANTS[i % VARIANTS.length] as () => string;
      expect(await gateway.signal(next())).toMatch(/^reloaded .*: (?!nothing)/);
      expect((await send(`${gateway.app.admin}/readyz`)).status).toBe(200);
    }
    const { requests, failures, kept, sessions } = await load.stop();
    print(
      `reloads ${count}, requests ${requests}, failed ${failures.length}, sessions kept ${kept} of ${sessions}`,
    );
    expect(failures).toEqual([]);
    expect(kept).toBe(sessions);
    expect(requests).toBeGreaterThan(count * sessions);
    expect(await gateway.app.stop()).toBe(0);
  });

  it('is told from a restart by the same clients: that fails requests, and takes sessions of memory', async () => {
    const port = await freePort();
    const listeners = `  public: { service: shop, port: ${port} }\n`;
    const gateway = await Gateway.start(yaml({ listeners }));
    const load = await traffic([gateway.url('public')], 3);
    await gateway.app.stop();
    const again = await Gateway.start(yaml({ listeners }));
    const { failures, kept } = await load.stop();
    expect(failures.length).toBeGreaterThan(0);
    expect(kept).toBe(0);
    await again.app.stop();
  });

  it('leaks nothing: after 50 the process has as many descriptors, and the store as many clients, as before', async () => {
    const count = 50;
    const gateway = await Gateway.start(yaml());
    const url = gateway.url('kept');
    const { headers } = { headers: { cookie: cookieOf(await send(url)) } };
    const clients = async () =>
      (await redis.ask('CLIENT', 'LIST')).split('\n').filter((line) => /id=/.test(line)).length;
    const round = async (i: number) => {
      // Everything changes: the resource of the store, the filter, the pools, a listener.
      const resources = i % 2 === 0 ? '' : ', spare: { _class: redis, url: "redis://127.0.0.1:1" }';
      const listeners = `  public: { service: shop, port: 0 }\n  kept: { service: kept, port: 0 }\n  more${i}: { service: shop, port: 0 }\n`;
      const next = yaml({
        resources,
        listeners,
        rate: 1000 + i,
        pool: 10 + i,
        more: `store_deadline: ${2 + (i % 2)}`,
      });
      expect(await gateway.signal(next)).toMatch(/^reloaded/);
      expect((await send(url, { headers })).status).toBe(200);
    };
    for (let i = 0; i < 3; i++) await round(i);
    // Idle connections to upstreams are closed after a few seconds.
    const settled = async () => {
      await new Promise((resolve) => setTimeout(resolve, 6_000));
      return { descriptors: await gateway.descriptors(), clients: await clients() };
    };
    const before = await settled();
    for (let i = 3; i < 3 + count; i++) await round(i);
    const after = await settled();
    print(
      `reloads ${count}: descriptors ${before.descriptors} before, ${after.descriptors} after; clients of the store ${before.clients} before, ${after.clients} after`,
    );
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + 2);
    expect(after.clients).toBe(before.clients);
    expect(await gateway.app.stop()).toBe(0);
  });
});

describe('a reload', () => {
  it('leaves WebSockets open, also when their listener goes, and their session goes on', async () => {
    const sockets = new WebSocketServer({ noServer: true });
    const server = createServer(counting).on('upgrade', (request, socket, head) => {
      sockets.handleUpgrade(request, socket, head, (opened) => {
        opened.on('message', (data) => opened.send(`echo ${String(data)}`));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const own = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const gateway = await Gateway.start(yaml({ server: own }));
    const headers = { cookie: cookieOf(await send(gateway.url('public'))) };
    const socket = new WebSocket(gateway.url('public').replace('http', 'ws'), { headers });
    await once(socket, 'open');
    const echo = async (text: string) => {
      socket.send(text);
      const [data] = await once(socket, 'message');
      return String(data);
    };
    expect(await echo('one')).toBe('echo one');
    await gateway.signal(yaml({ server: own, pool: 7, rate: 9_000, idle: 300 }));
    expect(await echo('two')).toBe('echo two');
    // The server that it is connected to is another one's now, and its listener is gone.
    await gateway.signal(yaml({ server: upstream, listeners: '  fresh: { service: shop, port: 0 }' }));
    expect(await echo('three')).toBe('echo three');
    expect((await send(gateway.url('fresh'), { headers })).body).toBe('visit 2');
    const id = idOf(headers.cookie);
    const ended = await fetch(`${gateway.app.admin}/v1/sessions/${id}`, {
      method: 'DELETE',
      headers: OPERATOR,
    });
    expect(ended.status).toBe(204);
    const [code] = await once(socket, 'close');
    expect(code).toBe(4401);
    expect(await gateway.app.stop()).toBe(0);
    server.close();
    server.closeAllConnections();
  });

  it('has a changed time count for the next session, and tells what is different', async () => {
    const gateway = await Gateway.start(yaml({ idle: 900 }));
    const maxAge = async () =>
      /Max-Age=(\d+)/.exec(String((await send(gateway.url('public'))).headers['set-cookie']))?.[1];
    expect(await maxAge()).toBe('900');
    const { code, stdout, stderr } = await gateway.command(yaml({ idle: 120, services: BLOG }));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.trim().split('\n')).toEqual([
      'services.shop changed',
      'services.kept changed',
      'services.blog added',
    ]);
    expect(await maxAge()).toBe('120');
    expect(await gateway.command(yaml({ idle: 120, services: BLOG }))).toMatchObject({
      code: 0,
      stdout: 'nothing is different\n',
    });
    expect((await gateway.ask('services')).data).toHaveLength(3);
    expect(await gateway.app.stop()).toBe(0);
  });

  it('moves a listener: the old port refuses, what is in flight there is answered, the session goes on', async () => {
    const [one, two] = [await freePort(), await freePort()];
    const at = (port: number) => yaml({ listeners: `  public: { service: shop, port: ${port} }` });
    const gateway = await Gateway.start(at(one));
    const old = gateway.url('public');
    const headers = { cookie: cookieOf(await send(old)) };
    const slow = send(`${old}/?ms=1500`, { headers });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await gateway.signal(at(two));
    expect(gateway.url('public')).toBe(`http://127.0.0.1:${two}`);
    await expect(send(old, { headers })).rejects.toThrow('ECONNREFUSED');
    expect((await slow).body).toBe('visit 2');
    expect((await send(gateway.url('public'), { headers })).body).toBe('visit 3');
    expect(await gateway.app.stop()).toBe(0);
  });

  it('swaps the ports of two listeners without closing either', async () => {
    const [one, two] = [await freePort(), await freePort()];
    const at = (a: number, b: number) =>
      yaml({ listeners: `  public: { service: shop, port: ${a} }\n  kept: { service: kept, port: ${b} }` });
    const gateway = await Gateway.start(at(one, two));
    const cookie = async (port: number) => cookieOf(await send(`http://127.0.0.1:${port}`)).split('=')[0];
    expect([await cookie(one), await cookie(two)]).toEqual(['mem', 'red']);
    expect(await gateway.signal(at(two, one))).toMatch(/listeners\.public changed, listeners\.kept changed/);
    expect([await cookie(one), await cookie(two)]).toEqual(['red', 'mem']);
    expect(await gateway.app.stop()).toBe(0);
  });

  it('opens a changed filter anew for sessions that have it, and leaves the others what they know', async () => {
    const gateway = await Gateway.start(yaml({ rate: 3 }));
    const url = gateway.url('public');
    const headers = { cookie: cookieOf(await send(url)) };
    const visit = async () => (await send(url, { headers })).status;
    expect([await visit(), await visit(), await visit()]).toEqual([200, 200, 429]);
    await gateway.signal(yaml({ rate: 3, pool: 9, idle: 777 }));
    expect(await visit()).toBe(429);
    await gateway.signal(yaml({ rate: 5 }));
    const after = await Promise.all(Array.from({ length: 6 }, visit));
    expect(after.sort()).toEqual([200, 200, 200, 200, 200, 429]);
    expect(await gateway.app.stop()).toBe(0);
  });

  it('takes a service away and back: its sessions in the store go on', async () => {
    const port = await freePort();
    const withBlog = yaml({
      services: BLOG,
      listeners: `  public: { service: shop, port: 0 }\n  blog: { service: blog, port: ${port} }`,
    });
    const without = yaml({ listeners: '  public: { service: shop, port: 0 }' });
    const gateway = await Gateway.start(withBlog);
    const url = gateway.url('blog');
    const headers = { cookie: cookieOf(await send(url)) };
    expect(await gateway.signal(without)).toContain('services.blog removed, listeners.blog removed');
    await expect(send(url, { headers })).rejects.toThrow('ECONNREFUSED');
    const list = (await gateway.ask('sessions')).data as readonly { readonly id: string }[];
    expect(list.map(({ id }) => id)).toContain(idOf(headers.cookie));
    expect(await gateway.signal(withBlog)).toContain('services.blog added');
    expect((await send(url, { headers })).body).toBe('visit 2');
    expect(await gateway.app.stop()).toBe(0);
  });

  it('reloads that come together are done one after the other, and the last file counts', async () => {
    const gateway = await Gateway.start(yaml());
    const urls = Array.from({ length: 5 }, () => `${gateway.app.admin}/v1/maxscale/reload`);
    gateway.write(yaml({ idle: 333 }));
    for (let i = 0; i < 5; i++) gateway.app.child.kill('SIGHUP');
    const answers = await Promise.all(urls.map((url) => fetch(url, { method: 'POST', headers: OPERATOR })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    const told = await until('the reloads', () => {
      const lines = gateway.app.log.map(({ msg }) => String(msg)).filter((msg) => msg.startsWith('reloaded'));
      return lines.length >= 6 && lines;
    });
    expect(told.filter((line) => line.includes('services.shop changed'))).toHaveLength(1);
    const first = await send(gateway.url('public'));
    expect(String(first.headers['set-cookie'])).toContain('Max-Age=333');
    expect(await gateway.app.stop()).toBe(0);
  });
});
