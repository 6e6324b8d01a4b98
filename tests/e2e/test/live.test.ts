// What sessions do and hold, seen from a process that serves none of them: two gateways and an admin API alone, on one Redis.
import { writeFileSync } from 'node:fs';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { startRedis } from '@sessionkit/test-stores/redis';
import { print } from '@sessionkit/test-stores/run';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPERATOR, PASSWORD, Program, startUpstream, until } from './app.js';
import { cookieOf, idOf, send } from './client.js';
import { adminApi, listening, project } from './fleet.js';

const env = { SESSIONKIT_ADMIN_PASSWORD: PASSWORD };
/** Another process sees it so soon; on a machine that has other things to do ten times as late. */
const SEEN = 2_000;
const PATIENCE = process.env.SESSIONKIT_LONG === '1' ? 1 : 10;
/** Of what a process has told that is no more. */
const LEASE = 10_000;

const folder = project();
const stops: (() => unknown)[] = [];
let gateways: readonly Gateway[] = [];
let admin = '';
/** Answers of `/slow` that wait. */
const held: (() => void)[] = [];

interface Gateway {
  readonly program: Program;
  readonly public: string;
  readonly admin: string;
}

interface Query {
  readonly command: string;
  readonly completed?: string;
  readonly received: string;
  readonly responses: readonly { readonly server: string; readonly duration: number }[];
  readonly statement: string;
}

interface Attributes {
  readonly connections: readonly { readonly server: string; readonly connection_id: number }[];
  readonly io_activity?: number;
  readonly log: readonly string[];
  readonly memory: { readonly connection_buffers?: { readonly total: number }; readonly total?: number };
  readonly queries: readonly Query[];
  readonly thread?: number;
}

interface DraftConnection {
  readonly server: string;
  readonly service: string;
}

function yaml(upstream: string, redis: string): string {
  return `
session: { auto_create: true, transport: [{ type: cookie }, { type: token, param: _token }], backend: { type: redis, resource: store } }
resources: { store: { _class: redis, url: "${redis}" } }
servers: { up: { url: "${upstream}" } }
filters: { requests: { type: log } }
services: { shop: { filters: [requests], queries: { parameters: names, values: [page] }, router: { type: proxy, servers: [up] } } }
listeners: { public: { service: shop, port: 0 } }
admin: { listen: "127.0.0.1:0" }
drain_timeout: 1
`;
}

async function ask(method: string, path: string, body?: unknown, at = admin) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const answer = await send(`${at}${path}`, { method, headers: OPERATOR, body: text });
  return { status: answer.status, body: answer.body };
}

async function shown(id: string): Promise<Attributes> {
  const { status, body } = await ask('GET', `/v1/sessions/${id}`);
  expect([status, body.slice(0, 100)]).toEqual([200, body.slice(0, 100)]);
  return (JSON.parse(body) as { data: { attributes: Attributes } }).data.attributes;
}

async function connections(id: string): Promise<readonly DraftConnection[]> {
  return JSON.parse((await ask('GET', `/sessions/${id}/connections`)).body) as DraftConnection[];
}

/** When a session is shown so, in ms from now; says it for the record. */
async function seen(what: string, id: string, so: (attributes: Attributes) => boolean): Promise<Attributes> {
  const begun = performance.now();
  const found = await until(what, async () => {
    const attributes = await shown(id);
    return so(attributes) && attributes;
  });
  const took = Math.round(performance.now() - begun);
  print(`live: ${what} seen by the third process after ${took} ms (at most ${SEEN})`);
  expect(took).toBeLessThanOrEqual(SEEN * PATIENCE);
  return found;
}

beforeAll(async () => {
  const redis = await startRedis({ durable: false });
  stops.push(() => redis.stop());
  const upstream = await startUpstream((incoming, response) => {
    incoming.resume();
    incoming.on('end', () => {
      if (!incoming.url?.startsWith('/slow')) response.end(`got ${incoming.url}`);
      else held.push(() => response.end('late'));
    });
  });
  const file = 'sessionkit.yaml';
  writeFileSync(join(folder, file), yaml(upstream, redis.url));
  const start = async (): Promise<Gateway> => {
    const program = new Program(['serve', '--config', file], { cwd: folder, env });
    stops.push(() => program.stop('SIGKILL'));
    return {
      program,
      public: await listening(program, 'public'),
      admin: await listening(program, 'admin'),
    };
  };
  // One after the other: the users file is theirs together.
  gateways = [await start(), await start()];
  const alone = new Program(['--config', file], { cwd: folder, env, script: adminApi });
  stops.push(() => alone.stop('SIGKILL'));
  admin = await listening(alone, 'admin');
  // The first one has its password hashed, which takes its time.
  await ask('GET', '/v1/');
  for (const gateway of gateways) {
    const parameters = { retain_last_statements: 5, session_trace: 4 };
    const set = await ask('PATCH', '/v1/maxscale', { data: { attributes: { parameters } } }, gateway.admin);
    expect(set.status).toBe(204);
  }
});

afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
});

const at = (number: 0 | 1): Gateway => gateways[number] as Gateway;

async function begin(): Promise<{ id: string; cookie: string }> {
  const cookie = cookieOf(await send(at(0).public));
  return { id: idOf(cookie), cookie };
}

describe('a process that serves no sessions shows of those that others serve', () => {
  it('their requests, running ones too, with what may be shown of the query', async () => {
    const { id, cookie } = await begin();
    const headers = { cookie };
    await send(`${at(0).public}/cart?page=2&q=private`, { headers });
    const token = cookie.slice(cookie.indexOf('=') + 1);
    await send(`${at(1).public}/token?_token=${token}`);
    const late = send(`${at(1).public}/slow`, { method: 'POST', headers, body: 'x' });
    await until('the request upstream', () => held.length > 0);

    const { queries } = await seen('a running request', id, (each) => each.queries.length === 3);
    // Each process estimates the clock of the store for itself, so those of two may change places.
    expect(queries.map(({ statement }) => statement).sort()).toEqual([
      'GET /cart?page=2&q',
      'GET /token',
      'POST /slow',
    ]);
    expect(queries.find(({ command }) => command === 'POST')?.completed).toBeUndefined();
    for (const { received, responses } of queries.filter(({ command }) => command === 'GET')) {
      expect(Date.now() - new Date(received).getTime()).toBeLessThan(60_000);
      expect(responses).toEqual([{ server: 'up', duration: expect.any(Number) }]);
    }
    expect(JSON.stringify(queries)).not.toContain('private');
    expect(JSON.stringify(queries)).not.toContain(token);
    for (const answer of held.splice(0)) answer();
    expect((await late).body).toBe('late');
    await seen('the end of a request', id, (each) =>
      each.queries.every(({ completed }) => completed !== undefined),
    );
  });

  it('their log, with the newest lines of both processes, whatever the levels of the process log', async () => {
    const { id, cookie } = await begin();
    const headers = { cookie };
    for (let i = 0; i < 3; i++) {
      for (const gateway of gateways) await send(`${gateway.public}/line/${i}`, { headers });
      // Each process estimates the clock of the store for itself.
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    // Either process writes its lines when its turn comes.
    const newest = (log: readonly string[]) =>
      log
        .map((line) => /GET \/line\/(\d)/.exec(line)?.[1])
        .sort()
        .join('') === '1122';
    const last = await seen('the lines of both', id, ({ log }) => newest(log));
    expect(last.log).toHaveLength(4);
    for (const line of last.log)
      expect(line).toMatch(
        new RegExp(
          `^\\d{4}-\\d\\d-\\d\\d [\\d:.]{12}Z {3}info {3}: \\(${id}\\) \\(shop\\); GET /line/[12] 200, `,
        ),
      );
    // The process log has what the levels of the session say, from its next request on, in every process.
    const lines = (path: string) =>
      at(1)
        .program.stderr.split('\n')
        .filter((line) => line.includes(`GET ${path} `));
    expect(lines('/line/2')).toEqual([]);
    const parameters = { log_info: true };
    expect((await ask('PATCH', `/v1/sessions/${id}`, { data: { attributes: { parameters } } })).status).toBe(
      204,
    );
    await send(`${at(1).public}/loud`, { headers });
    await until('the line of the process log', () => lines('/loud').length === 1);
  });

  it('their connections, of all processes, and which of these holds them', async () => {
    const { id, cookie } = await begin();
    for (const gateway of gateways) await send(`${gateway.public}/upload`, { headers: { cookie } });
    const united = await seen('connections', id, (each) => each.connections.length >= 2);
    expect(united.connections.every(({ server }) => server === 'up')).toBe(true);
    expect(united.io_activity).toBeGreaterThan(2);
    expect(united.memory.connection_buffers).toEqual({ total: 0 });
    expect(gateways.map(({ program }) => program.child.pid)).toContain(united.thread);
    const rows = await connections(id);
    expect(rows).toHaveLength(united.connections.length);
    for (const row of rows) expect([row.server, row.service]).toEqual(['/servers/up', '/services/shop']);
  });

  it('in the list as in each of them', async () => {
    const { id, cookie } = await begin();
    await send(`${at(0).public}/listed`, { headers: { cookie } });
    const one = await seen('a request', id, (each) => each.queries.length === 1);
    const list = JSON.parse((await ask('GET', '/v1/sessions?page[size]=50')).body) as {
      data: { id: string; attributes: Attributes }[];
      meta: { unknown: string[] };
    };
    const row = list.data.find((each) => each.id === id);
    expect(row?.attributes.queries).toEqual(one.queries);
    expect(row?.attributes.connections).toEqual(one.connections);
    expect(list.meta.unknown).toEqual(['memory/data', 'memory/total']);
    const filter = encodeURIComponent('/attributes/queries/0/statement="GET /listed"');
    const found = JSON.parse((await ask('GET', `/v1/sessions?filter=${filter}`)).body) as typeof list;
    expect(found.data.map((each) => each.id)).toEqual([id]);
  });

  it('as events of what others change and end', async () => {
    const { id } = await begin();
    const agent = new Agent();
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = httpRequest(
        `${admin}/v1/sessions/events?id=${id}`,
        { headers: OPERATOR, agent },
        resolve,
      );
      outgoing.on('error', reject);
      outgoing.end();
    });
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    response.on('error', () => {});
    await until('the stream', () => text.startsWith('retry: '));
    const body = { data: { attributes: { parameters: { log_error: true } } } };
    expect((await ask('PATCH', `/v1/sessions/${id}`, body, at(0).admin)).status).toBe(204);
    await until('the change', () => text.includes('event: changed'));
    expect((await ask('DELETE', `/v1/sessions/${id}`, undefined, at(1).admin)).status).toBe(204);
    await until('the end', () => text.includes('event: ended'));
    const events = [...text.matchAll(/data: (.+)\n/g)].map(([, data = '']) => JSON.parse(data) as object);
    expect(events).toMatchObject([
      { event: 'changed', id, service: 'shop', elsewhere: true },
      { event: 'ended', id, service: 'shop', cause: 'killed', elsewhere: true },
    ]);
    agent.destroy();
    response.destroy();
  });
});

describe('the metrics of a gateway', () => {
  it('move with what happens, and are told to its users only', async () => {
    const read = async (name: string) => {
      const { status, body } = await ask('GET', '/metrics', undefined, at(0).admin);
      expect(status).toBe(200);
      const line = body.split('\n').find((each) => each.startsWith(`${name} `));
      return Number(line?.slice(name.length + 1) ?? 0);
    };
    const [created, ended] = [
      'sessionkit_sessions_created_total{service="shop"}',
      'sessionkit_sessions_ended_total{cause="killed"}',
    ];
    const before = [
      await read(created),
      await read(ended),
      await read('sessionkit_sessions{service="shop"}'),
    ];
    const ids = [(await begin()).id, (await begin()).id];
    await ask('DELETE', `/v1/sessions/${ids[0]}`, undefined, at(0).admin);
    const after = [await read(created), await read(ended), await read('sessionkit_sessions{service="shop"}')];
    expect(after.map((value, i) => value - (before[i] ?? 0))).toEqual([2, 1, 1]);
    expect((await send(`${at(0).admin}/metrics`)).status).toBe(401);
    expect((await ask('GET', '/metrics')).status).toBe(501);
  });
});

describe('a gateway that is killed', () => {
  it('vanishes with its lease: connections, what it did not finish, and its number', async () => {
    const { id, cookie } = await begin();
    const broken = send(`${at(1).public}/slow`, { headers: { cookie } }).catch(() => 'cut');
    const pid = at(1).program.child.pid;
    await seen(
      'what is to vanish',
      id,
      (each) => each.connections.length > 0 && each.queries[0]?.statement === 'GET /slow',
    );
    const before = await shown(id);
    await at(1).program.stop('SIGKILL');
    expect(await broken).toBe('cut');
    const killed = performance.now();
    await until('the end of the lease', async () => {
      const { thread, queries } = await shown(id);
      return thread !== pid && queries.every(({ completed }) => completed !== undefined);
    });
    const took = performance.now() - killed;
    print(`live: a killed gateway vanished after ${Math.round(took)} ms (lease ${LEASE})`);
    expect(took).toBeLessThan(LEASE + SEEN * PATIENCE);
    expect((await shown(id)).connections.length).toBeLessThan(before.connections.length);
  });
});
