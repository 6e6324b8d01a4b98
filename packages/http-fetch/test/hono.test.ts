import { createSessionManager, type DataSchema, type Session } from '@sessionkit/session-core';
import { Hono } from 'hono';
import { expect, expectTypeOf, it } from 'vitest';
import { openFetch, requireSession, type SessionEnv, sessionFetch, sessionMiddleware } from '../src/index.js';
import { cookieOf, get, world } from './help.js';

it('gives every request its session, with the type that SessionEnv says', async () => {
  const w = world();
  const app = new Hono<SessionEnv>();
  app.use(sessionMiddleware(w.service));
  app.get('/', (c) => {
    expectTypeOf(c.var.session).toEqualTypeOf<Session>();
    c.var.session.set('n', 1);
    return c.text(String(c.get('session') === c.var.session));
  });
  const answer = await app.fetch(get());
  expect([await answer.text(), answer.headers.get('content-type')]).toEqual([
    'true',
    'text/plain;charset=UTF-8',
  ]);
  expect(cookieOf(answer)).toMatch(/^sid=s/);
});

it('keeps what middlewares before it have set, cookies too, when it refuses or replaces', async () => {
  const w = world();
  const app = new Hono<SessionEnv>();
  app.use(async (c, next) => {
    c.header('x-request-id', '7');
    c.header('set-cookie', 'own=1', { append: true });
    await next();
    c.header('x-after', '1');
  });
  app.use(sessionMiddleware(w.service));
  app.get('/user', requireSession({ require: 'user' }), (c) => c.text('in'));
  app.get('/', (c) => c.text('in'));
  for (const answer of [
    await app.fetch(get('/', { cookie: 'sid=rubbish' })),
    await app.fetch(get('/user')),
  ]) {
    expect([answer.status, answer.headers.get('x-request-id'), answer.headers.get('x-after')]).toEqual([
      401,
      '7',
      '1',
    ]);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.headers.getSetCookie()).toContain('own=1');
  }
  const dead = await app.fetch(get('/', { cookie: 'sid=rubbish' }));
  expect(dead.headers.getSetCookie().some((each) => each.startsWith('sid=;'))).toBe(true);
  expect(w.open()).toBe(0);
});

it('says what is missing when requireSession has no middleware before it', async () => {
  const app = new Hono();
  let message = '';
  app.onError((error, c) => {
    ({ message } = error);
    return c.text('', 500);
  });
  app.get('/', requireSession(), (c) => c.text('in'));
  await app.fetch(get());
  expect(message).toMatch(/put sessionMiddleware before/);
  expect(() => requireSession({ fresh: 1 })).toThrowError(
    expect.objectContaining({ code: 'CONFIG_INVALID' }),
  );
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
it('a typed service has typed sessions in every form', () => {
  const service = createSessionManager().service('shop', { data: { schema } });
  const handler = sessionFetch(service, (_request, session, env: number) => {
    expectTypeOf(session).toEqualTypeOf<Session<Shop, Given>>();
    return new Response(String(env));
  });
  expectTypeOf(handler).parameters.toEqualTypeOf<[request: Request, env: number]>();
  const open = () => openFetch(service, get());
  expectTypeOf<Awaited<ReturnType<typeof open>>['session']>().toEqualTypeOf<Session<Shop, Given>>();
  const app = new Hono<SessionEnv<Shop, Given>>();
  app.use(sessionMiddleware(service));
  app.get('/', (c) => {
    expectTypeOf(c.var.session).toEqualTypeOf<Session<Shop, Given>>();
    return c.text('');
  });
  expect(handler).toBeTypeOf('function');
});
