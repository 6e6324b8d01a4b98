import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { memory } from '@sessionkit/backend-memory';
import {
  createSessionManager,
  type DataSchema,
  processEnvironment,
  type ServiceOptions,
  type Session,
  SessionError,
} from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import Fastify, { type FastifyRequest } from 'fastify';
import { expect, expectTypeOf, it, onTestFinished } from 'vitest';
import { type RouteAccess, sessionOf, sessionPlugin } from '../src/index.js';

const down = new SessionError('BACKEND_DOWN', 'the store is down', { retryable: true });

function world(options: ServiceOptions = {}) {
  const log: { readonly message: string }[] = [];
  const environment = {
    ...processEnvironment,
    log: (entry: { readonly message: string }) => void log.push(entry),
  };
  const backend = memory();
  const manager = createSessionManager({ environment });
  const service = manager.service('app', {
    backend,
    transports: [cookie({ name: 'sid' })],
    autoCreate: 'on_write',
    ...options,
  });
  const app = Fastify();
  onTestFinished(async () => {
    await app.close();
    await manager.close();
  });
  return { app, backend, environment, log, service };
}

const cookieOf = (answer: { headers: { 'set-cookie'?: string | string[] | undefined } }) =>
  String([answer.headers['set-cookie']].flat().find((each) => each?.startsWith('sid='))).split(';', 1)[0] ??
  '';

it('works under inject, which has no connection', async () => {
  const { app, service } = world();
  app.register(sessionPlugin, { service });
  app.get('/', ({ session }) => {
    session.update<number>('n', (n = 0) => n + 1);
    return { n: session.get('n'), ip: session.client.ip };
  });
  const first = await app.inject('/');
  expect(first.json()).toEqual({ n: 1, ip: '127.0.0.1' });
  const second = await app.inject({ url: '/', headers: { cookie: cookieOf(first) } });
  expect(second.json()).toMatchObject({ n: 2 });
});

it('holds what passes Fastify by: a hijacked reply and writes to reply.raw', async () => {
  const { app, backend, service } = world();
  await app.register(sessionPlugin, { service });
  let saved = 0;
  const save = backend.save.bind(backend);
  backend.save = async (...args) => {
    await wait(30);
    const done = await save(...args);
    saved++;
    return done;
  };
  app.get('/hijack', ({ session }, reply) => {
    session.set('n', 1);
    reply.hijack();
    reply.raw.writeHead(200, { 'x-app': '1' });
    reply.raw.write('a');
    reply.raw.end('b');
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const atHead = await new Promise<number>((resolve, reject) => {
    http
      .get({ host: '127.0.0.1', port, path: '/hijack' }, (answer) => {
        answer.resume();
        resolve(saved);
      })
      .on('error', reject);
  });
  expect(atHead).toBe(1);
});

it('keeps the fields and runs the hooks of plugins before it when it refuses', async () => {
  const { app, service } = world();
  const sent: number[] = [];
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({ 'access-control-allow-origin': '*', vary: 'Origin' });
    reply.header('set-cookie', 'own=1');
  });
  app.addHook('onSend', async (_request, reply) => void sent.push(reply.statusCode));
  await app.register(sessionPlugin, { service });
  let reached = 0;
  app.get('/', { config: { session: 'required' }, onRequest: async () => void reached++ }, async () => {
    reached++;
    return 'in';
  });
  const answer = await app.inject({ url: '/', headers: { cookie: 'sid=rubbish' } });
  expect([answer.statusCode, reached, sent]).toEqual([401, 0, [401]]);
  expect(answer.headers).toMatchObject({ 'access-control-allow-origin': '*', vary: 'Origin, Cookie' });
  expect(answer.headers['set-cookie']).toEqual(['own=1', expect.stringMatching(/^sid=;/)]);
  expect(answer.json()).toMatchObject({ status: 401, code: 'session_invalid' });
  expect((await app.inject('/')).json()).toMatchObject({ code: 'session_required' });
});

it('answers a change that cannot be stored in place of a reply that Fastify has sent', async () => {
  const { app, backend, environment, log, service } = world();
  await app.register(sessionPlugin, { service, environment });
  app.get('/', ({ session }, reply) => {
    session.set('n', Math.random());
    reply.header('x-app', '1');
    return reply.send(Readable.from(['a', 'b']));
  });
  const first = await app.inject('/');
  backend.save = () => Promise.reject(down);
  const answer = await app.inject({ url: '/', headers: { cookie: cookieOf(first) } });
  expect([answer.statusCode, answer.json().code]).toEqual([503, 'store_unavailable']);
  expect(answer.headers).not.toHaveProperty('x-app');
  expect(log.map(({ message }) => message)).toContain(
    'the answer was replaced: its changes could not be stored',
  );
});

it("Fastify's own error handler answers a fault by the status it carries", async () => {
  const { app, backend, service } = world();
  await app.register(sessionPlugin, { service });
  app.post('/login', async ({ session }) => {
    await session.login('alice');
    return 'in';
  });
  backend.save = () => Promise.reject(down);
  const answer = await app.inject({ method: 'POST', url: '/login' });
  expect(answer.json()).toMatchObject({ statusCode: 503, code: 'BACKEND_DOWN' });
});

it.each<[unknown]>([[{ fresh: '5m' }], [{ require: 'admin' }], ['fresh']])(
  'a route that asks for %j is refused when it is registered',
  async (session) => {
    const { app, service } = world();
    await app.register(sessionPlugin, { service });
    const config = { session: session as RouteAccess };
    expect(() => app.get('/', { config }, async () => 'in')).toThrowError(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  },
);

it('bad options are refused when the plugin is registered', async () => {
  const { app, service } = world();
  await expect(async () => app.register(sessionPlugin, { service, trustProxy: ['x'] })).rejects.toMatchObject(
    {
      code: 'CONFIG_INVALID',
    },
  );
});

it('a client that has gone before its session was loaded never reaches the handler', async () => {
  const { app, backend, service } = world();
  await app.register(sessionPlugin, { service });
  let reached = 0;
  app.get('/', async ({ session }) => {
    reached++;
    session.set('n', 1);
    return 'in';
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const cookie = cookieOf(await app.inject('/'));
  const load = backend.load.bind(backend);
  let asked = 0;
  backend.load = async (...args) => {
    asked++;
    await wait(60);
    return load(...args);
  };
  const request = http.get({ host: '127.0.0.1', port, headers: { cookie }, agent: false });
  request.on('error', () => {});
  while (asked === 0) await wait(5);
  request.destroy();
  await wait(120);
  expect(reached).toBe(1);
});

it('types request.session and config.session', () => {
  expectTypeOf<FastifyRequest['session']>().toEqualTypeOf<Session>();
  const { app } = world();
  app.get('/', { config: { session: { fresh: 60_000 } } }, async ({ session }) => session.user);
  expect(app.hasRoute({ method: 'GET', url: '/' })).toBe(true);
});

interface Shop {
  readonly visits: number;
}
interface Given {
  readonly visits?: number | undefined;
}
const schema: DataSchema<Given, Shop> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => ({ value: { visits: (value as Given).visits ?? 0 } }),
  },
};

// This fails in the type check as soon as a type degrades to `unknown` or `any`.
it('sessionOf has the types of the service that it is asked with', async () => {
  const service = createSessionManager().service('shop', {
    backend: memory(),
    transports: [cookie()],
    data: { schema },
  });
  const { app } = world();
  await app.register(sessionPlugin, { service });
  app.get('/', async (request) => {
    const session = sessionOf(request, service);
    expectTypeOf(session).toEqualTypeOf<Session<Shop, Given>>();
    return session === request.session;
  });
  expect((await app.inject('/')).body).toBe('true');
  expect(() => sessionOf({} as FastifyRequest)).toThrow(/register sessionPlugin/);
});
