import { once } from 'node:events';
import { Agent, createServer, type ServerResponse } from 'node:http';
import { connect, type Server } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import { type App, OPERATOR, startApp, startUpstream, until } from './app.js';
import { type Answer, problemOf, send } from './client.js';

/** Answers to `/held` that wait. */
const held: ServerResponse[] = [];
let app: App;

beforeAll(async () => {
  const upstream = await startUpstream((request, response) => {
    if (request.url === '/held') held.push(response);
    else response.end('here');
  });
  app = await startApp(`
session: { auto_create: true, transport: { type: cookie }, backend: { type: memory } }
servers: { up: { url: "${upstream}" } }
services:
  shop: { router: { type: proxy, servers: [up] } }
  blog: { session: false, router: { type: proxy, servers: [up] } }
listeners:
  public: { service: shop, port: 0 }
  second: { service: shop, port: 0 }
  blog: { service: blog, port: 0 }
admin: { listen: "127.0.0.1:0" }
`);
});

const put = (path: string) => send(`${app.admin}/v1/${path}`, { method: 'PUT', headers: OPERATOR });
const read = async (path: string) =>
  (
    JSON.parse((await send(`${app.admin}/v1/${path}`, { headers: OPERATOR })).body) as {
      data: { attributes: { state: string; started: string; statistics: Record<string, number> } };
    }
  ).data.attributes;
const outcome = (url: string) =>
  send(url).then(
    ({ status }) => status,
    (error: NodeJS.ErrnoException) => error.code,
  );

/** A request that the upstream holds; `answer` lets it go on. */
async function hold(url: string, agent?: Agent) {
  const reply: Promise<Answer | string> = send(`${url}/held`, { agent }).catch(
    (error: NodeJS.ErrnoException) => `cut: ${error.code}`,
  );
  const response = await until('the held request', () => held.pop());
  return { reply, answer: () => response.end('late') };
}

describe('a listener that is stopped', () => {
  it('refuses new connections, answers what is under way and closes, and the others go on', async () => {
    const agent = new Agent({ keepAlive: true });
    const { reply, answer } = await hold(app.public, agent);
    expect((await put('listeners/public/stop')).status).toBe(204);
    expect(await outcome(app.public)).toBe('ECONNREFUSED');
    expect((await read('listeners/public')).state).toBe('Stopped');
    expect((await read('services/shop')).state).toBe('Started');
    expect(await outcome(app.url('second'))).toBe(200);
    answer();
    expect(await reply).toMatchObject({ status: 200, body: 'late', headers: { connection: 'close' } });
    agent.destroy();
    expect((await put('listeners/public/start')).status).toBe(204);
  });

  it('listens again on its port, which was a free one', async () => {
    await put('listeners/public/stop');
    expect((await put('listeners/public/start')).status).toBe(204);
    expect(await outcome(app.public)).toBe(200);
    expect((await read('listeners/public')).state).toBe('Running');
  });

  it('by force cuts what is under way, also after it was stopped without', async () => {
    const first = await hold(app.public);
    await put('listeners/public/stop?force=yes');
    expect(await first.reply).toMatch('cut: ');
    await put('listeners/public/start');
    const second = await hold(app.public);
    await put('listeners/public/stop');
    await put('listeners/public/stop?force=true');
    expect(await second.reply).toMatch('cut: ');
    await put('listeners/public/start');
    expect(await outcome(app.public)).toBe(200);
    expect(app.log.map(({ msg }) => msg)).toContain('admin stopped the listener "public" and cut 1 requests');
  });

  it('and started many times at once is in the end what was said last, and logs what changed only', async () => {
    const before = app.log.length;
    const verbs = Array.from({ length: 40 }, (_, i) => (i % 3 === 0 ? 'stop' : 'start'));
    const answers = await Promise.all(verbs.map((verb) => put(`listeners/public/${verb}`)));
    expect(answers.map(({ status }) => status)).toEqual(verbs.map(() => 204));
    const { state } = await read('listeners/public');
    expect(await outcome(app.public)).toBe(state === 'Running' ? 200 : 'ECONNREFUSED');
    const lines = app.log.slice(before).map(({ msg }) => String(msg));
    for (const [i, line] of lines.entries()) expect(line).not.toBe(lines[i + 1]);
    await put('listeners/public/start');
    expect(await outcome(app.public)).toBe(200);
  });

  it('whose port another program has taken meanwhile is a 409 that says so, and can be started later', async () => {
    const port = Number(new URL(app.public).port);
    await put('listeners/public/stop');
    const other: Server = createServer();
    other.listen(port, '127.0.0.1');
    await once(other, 'listening');
    const answer = await put('listeners/public/start');
    expect(answer.status).toBe(409);
    expect(answer.body).toMatch(/listeners\.public: port \d+ on 127\.0\.0\.1 is taken by another program/);
    expect((await read('listeners/public')).state).toBe('Stopped');
    other.close();
    await once(other, 'close');
    expect((await put('listeners/public/start')).status).toBe(204);
    expect(await outcome(app.public)).toBe(200);
  });
});

describe('a service that is stopped', () => {
  it('answers 503 on all its listeners and closes, finishes what is under way, and the others go on', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await send(app.public, { agent });
    const { reply, answer } = await hold(app.public);
    const { started } = await read('services/shop');
    expect((await put('services/shop/stop')).status).toBe(204);
    expect((await put('services/shop/stop')).status).toBe(204);
    for (const sending of [send(app.public, { agent }), send(app.url('second'))]) {
      const refused = await sending;
      expect(problemOf(refused)).toMatchObject({ media: 'application/problem+json', status: 503 });
      expect(refused.headers).toMatchObject({ connection: 'close', 'cache-control': 'no-store' });
      expect(refused.headers['set-cookie']).toBeUndefined();
    }
    agent.destroy();
    expect(await outcome(app.url('blog'))).toBe(200);
    expect(await read('services/shop')).toMatchObject({ state: 'Stopped', started });
    expect((await read('listeners/public')).state).toBe('Running');
    answer();
    expect(await reply).toMatchObject({ status: 200, body: 'late' });

    expect((await put('services/shop/start')).status).toBe(204);
    expect(await outcome(app.public)).toBe(200);
    const again = await read('services/shop');
    expect(again.state).toBe('Started');
    expect(Date.parse(again.started)).toBeGreaterThanOrEqual(Date.parse(started));
  });

  it('by force has its requests cut, and its sessions live on', async () => {
    const session = await send(app.public);
    const { reply } = await hold(app.public);
    expect((await put('services/shop/stop?force=yes')).status).toBe(204);
    expect(await reply).toMatch('cut: ');
    await put('services/shop/start');
    const headers = { cookie: session.headers['set-cookie']?.[0]?.split(';')[0] };
    expect((await send(app.public, { headers })).headers['set-cookie']).toBeUndefined();
  });

  it('counts its connections and requests, and those of its listeners', async () => {
    await until('the connections to be closed', async () => {
      const { connections } = (await read('services/shop')).statistics;
      return connections === 0;
    });
    const before = (await read('services/shop')).statistics;
    const { reply, answer } = await hold(app.public);
    const during = (await read('services/shop')).statistics;
    expect(during).toMatchObject({ connections: 1, active_operations: 1 });
    answer();
    await reply;
    await send(app.url('second'));
    const after = (await read('services/shop')).statistics;
    expect(Number(after.requests) - Number(before.requests)).toBe(2);
    expect(Number(after.total_connections) - Number(before.total_connections)).toBe(2);
    const own = await Promise.all(['public', 'second'].map((name) => read(`listeners/${name}`)));
    const sum = own.reduce((total, { statistics }) => total + Number(statistics.requests), 0);
    expect(after.requests).toBe(sum);
    const blog = (await read('services/blog')).statistics;
    expect(blog.requests).toBe(1);
  });
});

describe('the end of a process', () => {
  it('with a stopped listener, a stopped service and a request on a stopped listener is in order', async () => {
    const { reply, answer } = await hold(app.url('second'));
    const idle = connect(Number(new URL(app.url('second')).port), '127.0.0.1');
    await once(idle, 'connect');
    await put('listeners/public/stop');
    await put('services/blog/stop');
    await put('listeners/second/stop');
    idle.destroy();
    const ended = app.stop();
    await until('the stop to begin', () => app.stderr.includes('stopping: '));
    answer();
    expect(await reply).toMatchObject({ status: 200, body: 'late' });
    expect(await ended).toBe(0);
  });
});
