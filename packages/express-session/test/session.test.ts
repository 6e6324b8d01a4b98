import { memory } from '@sessionkit/backend-memory';
import { requireSession } from '@sessionkit/http-node';
import { createSessionManager, SessionError } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { describe, expect, it } from 'vitest';
import { connectPgSimple, connectRedis, expressSession, passportUser } from '../src/index.js';
import { type AppRequest, type AppResponse, type Express, makeApp } from './app.js';
import { Browser, type Handler, load, serve } from './help.js';
import { EXPRESS, HOUR, type Ours, ours } from './sides.js';

const EXPRESS5 = EXPRESS['Express 5'] as Express;

/** Two requests that meet: each has its session before either answers. */
function meeting(session: Handler): (request: never, response: never) => void {
  const app = EXPRESS5();
  let waiting: (() => void) | undefined;
  const met = (then: () => void) => {
    if (waiting === undefined) waiting = then;
    else for (const go of [waiting, then]) go();
  };
  let over = () => {};
  const destroyed = new Promise<void>((resolve) => {
    over = resolve;
  });
  app.use(session);
  app.get('/', (request, response) => response.json({ ...request.session, cookie: undefined }));
  app.get('/begin', (request, response) => {
    request.session.begun = true;
    response.send('begun');
  });
  app.get('/a', (request, response) => {
    request.session.a = 1;
    met(() => response.send('a'));
  });
  app.get('/b', (request, response) => {
    request.session.b = { deep: [] };
    met(() => response.send('b'));
  });
  app.get('/slow', (request, response) => {
    request.session.slow = true;
    met(() => void destroyed.then(() => response.send('slow')));
  });
  app.get('/logout', (request, response) => {
    const { session } = request;
    const answer = () => {
      over();
      response.send('out');
    };
    met(() => session.destroy(answer));
  });
  return app as never;
}

async function both(make: Handler): Promise<Browser> {
  return new Browser(await serve(meeting(make) as never));
}

function realSession(): Handler {
  return (load('express-session') as (options: object) => Handler)({
    secret: 's',
    resave: false,
    saveUninitialized: false,
  });
}

describe('requests at the same time', () => {
  it('that set different members both keep theirs, where express-session loses one', async () => {
    const story = async (browser: Browser) => {
      await browser.get('/begin');
      await Promise.all([browser.get('/a'), browser.get('/b')]);
      return Object.keys((await browser.get('/')).json as object).sort();
    };
    const { service } = await ours(EXPRESS5);
    expect(await story(await both(expressSession(service)))).toEqual(['a', 'b', 'begun']);
    expect(await story(await both(realSession()))).toHaveLength(2);
  });

  it('can not bring back a session that was destroyed meanwhile, where express-session does', async () => {
    const story = async (browser: Browser) => {
      await browser.get('/begin');
      const thief = await browser.copy();
      const [slow] = await Promise.all([browser.get('/slow'), browser.get('/logout')]);
      return [slow.status, Object.keys((await thief.get('/')).json as object)];
    };
    const { service } = await ours(EXPRESS5);
    expect(await story(await both(expressSession(service)))).toEqual([409, []]);
    expect(await story(await both(realSession()))).toEqual([200, ['begun', 'slow']]);
  });
});

describe('who passport has logged in', () => {
  const form = { username: 'alice', password: 'right' };
  const list = async ({ manager }: Ours) =>
    (await manager.list({ state: 'any' })).items.map(({ user, ended }) => [user, ended?.cause]);

  it('is the user of the session, until the logout ends it', async () => {
    const app = await ours(EXPRESS5);
    await app.browser.post('/login', form);
    expect(await list(app)).toEqual([['alice', undefined]]);
    await app.browser.post('/logout');
    expect(await list(app)).toEqual([['alice', 'logout']]);
    expect(await app.browser.names()).toEqual([]);
  });

  it('has a new secret, and the one from before opens nothing', async () => {
    const { browser } = await ours(EXPRESS5);
    await browser.get('/views');
    const fixed = await browser.copy();
    const before = await browser.value('sid');
    await browser.post('/login', form);
    expect(await browser.value('sid')).not.toBe(before);
    expect((await fixed.get('/')).json).toMatchObject({ data: {}, authenticated: false });
    expect((await browser.get('/')).json).toMatchObject({ user: 'alice' });
  });

  it('as somebody else ends the session of the former', async () => {
    const app = await ours(EXPRESS5);
    await app.browser.post('/login', form);
    await app.browser.post('/login', { ...form, username: 'bob' });
    expect(await list(app)).toEqual([
      ['alice', 'replaced'],
      ['bob', undefined],
    ]);
  });

  it.each([
    [{ passport: { user: 'alice' } }, 'alice'],
    [{ passport: { user: 7 } }, '7'],
    [{ passport: { user: { id: 'ab', name: 'Alice' } } }, 'ab'],
    [{ passport: { user: { name: 'Alice' } } }, undefined],
    [{ passport: { user: '' } }, undefined],
    [{ passport: { user: `${'x'.repeat(256)}` } }, undefined],
    [{ passport: { user: null } }, undefined],
    [{ passport: {} }, undefined],
    [{ passport: 'alice' }, undefined],
    [{}, undefined],
  ])('is found in %j: %s', (data, user) => {
    expect(passportUser(data)).toBe(user);
  });
});

/** An app of one route. */
async function app(
  route: (request: AppRequest, response: AppResponse) => unknown,
  options: Parameters<typeof ours>[1] = {},
  given: Parameters<typeof ours>[2] = {},
): Promise<Ours & { readonly at: Browser }> {
  const made = await ours(EXPRESS5, options);
  const express = EXPRESS5();
  express.use(expressSession(made.service, given));
  express.get('/go', route);
  express.get('/', (request, response) => response.json({ ...request.session, cookie: undefined }));
  return { ...made, at: new Browser(await serve(express)) };
}

it('requireSession of http-node asks for the login that passport has made', async () => {
  const { service } = await ours(EXPRESS5);
  const inner = makeApp(EXPRESS5, expressSession(service));
  inner.get('/account', requireSession({ require: 'user', fresh: 60_000 }) as never, (_, response) =>
    response.send('yours'),
  );
  const browser = new Browser(await serve(inner));
  await browser.get('/views');
  expect((await browser.get('/account')).status).toBe(401);
  await browser.post('/login', { username: 'alice', password: 'right' });
  expect((await browser.get('/account')).text).toBe('yours');
});

describe('without passport', () => {
  it('a user is who the application says: set, changed and taken away', async () => {
    let user: string | undefined = 'ann';
    const route = (request: AppRequest, response: AppResponse) => {
      request.session.userId = user;
      response.send('');
    };
    const { at, manager } = await app(route, {}, { user: ({ userId }) => userId as string | undefined });
    const users = async () =>
      (await manager.list({ state: 'any' })).items.map((found) => [found.user, found.ended?.cause]);
    await at.get('/go');
    expect(await users()).toEqual([['ann', undefined]]);
    await at.get('/go');
    expect(await users()).toEqual([['ann', undefined]]);
    user = undefined;
    await at.get('/go');
    expect(await users()).toEqual([['ann', 'logout']]);
  });
});

describe('the verbs without a callback', () => {
  it('are promises', async () => {
    const seen: unknown[] = [];
    const { at } = await app(async ({ session, ...request }, response) => {
      session.a = 1;
      await session.save();
      seen.push(session.id);
      response.send('');
      void request;
    });
    await at.get('/go');
    expect(seen).toEqual([expect.stringMatching(/^s[0-9a-z]{26}$/)]);
    expect((await at.get('/')).json).toEqual({ a: 1 });
  });

  it('that fail unheard make the answer fail, and no unhandled rejection', async () => {
    const backend = memory();
    const save = backend.save.bind(backend);
    let down = false;
    backend.save = (...args) => {
      if (down) throw new SessionError('BACKEND_DOWN', 'away', { retryable: true });
      return save(...args);
    };
    const { at } = await app(
      ({ session }, response) => {
        session.count = Number(session.count ?? 0) + 1;
        session.save();
        setTimeout(() => response.send('done'), 20);
      },
      { backend },
    );
    expect((await at.get('/go')).text).toBe('done');
    down = true;
    expect((await at.get('/go')).status).toBe(503);
    down = false;
    expect((await at.get('/')).json).toEqual({ count: 1 });
  });

  it('a save that failed once is made up for by the answer', async () => {
    const backend = memory();
    const save = backend.save.bind(backend);
    let failures = 0;
    backend.save = (...args) => {
      if (failures-- > 0) throw new SessionError('BACKEND_FULL', 'full');
      return save(...args);
    };
    const { at } = await app(
      async ({ session }, response) => {
        session.kept = 'yes';
        failures = 1;
        const failed = await (session.save() as Promise<void>).catch((error: SessionError) => error.code);
        response.send(String(failed));
      },
      { backend },
    );
    expect((await at.get('/go')).text).toBe('BACKEND_FULL');
    expect((await at.get('/')).json).toEqual({ kept: 'yes' });
  });
});

describe('cookie.maxAge', () => {
  it('is how long the session may go unused, here and in the browser', async () => {
    let ahead = 0;
    const manager = createSessionManager({
      environment: {
        now: () => Date.now() + ahead,
        random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
        every: () => () => {},
        log: () => {},
      },
    });
    const service = manager.service('app', {
      backend: memory(),
      transports: [cookie({ name: 'sid' })],
      autoCreate: 'on_write',
      onDead: 'renew',
      idleTimeout: HOUR,
      duration: 24 * HOUR,
    });
    const express = EXPRESS5();
    express.use(expressSession(service));
    express.get('/set', (request, response) => {
      request.session.n = 1;
      request.session.cookie.maxAge = Number(new URL(request.url ?? '', 'http://x').searchParams.get('ms'));
      response.send('');
    });
    express.get('/', (request, response) => response.json({ n: request.session.n ?? null }));
    const port = await serve(express);
    const short = new Browser(port);
    const long = new Browser(port);
    const [first] = (await short.get('/set?ms=60000')).cookies;
    expect(first).toMatch(/Max-Age=(59|60);/);
    await long.get(`/set?ms=${6 * HOUR}`);
    const later = new Browser(port);
    expect((await later.get(`/set?ms=${HOUR}`)).cookies[0]).toMatch(/Max-Age=3(599|600);/);
    expect((await later.get(`/set?ms=${6 * HOUR}`)).cookies[0]).toMatch(/Max-Age=21(599|600);/);
    expect((await later.get(`/set?ms=${6 * HOUR}`)).cookies).toEqual([]);
    ahead = 30_000;
    expect((await short.get('/')).json).toEqual({ n: 1 });
    ahead = 2 * HOUR;
    expect((await short.get('/')).json).toEqual({ n: null });
    expect((await long.get('/')).json).toEqual({ n: 1 });
    await manager.close();
  });
});

describe('what is refused', () => {
  it('a service that creates no sessions', async () => {
    const { manager } = await ours(EXPRESS5);
    const service = manager.service('none', { backend: memory(), transports: [cookie({ name: 'b' })] });
    expect(() => expressSession(service)).toThrow(/autoCreate must be 'on_write'/);
  });

  it.each([[undefined], [''], [[]], [['good', '']], [7]])('the old secret %j', (secret) => {
    const client = { get: async () => null, del: async () => 0, pttl: async () => 0, pexpire: async () => 0 };
    expect(() => connectRedis(client, { secret: secret as string })).toThrow(/secret must be the secret/);
  });

  it('an old store that is none', () => {
    expect(() => connectRedis({} as never, { secret: 's' })).toThrow(/needs a client of node-redis/);
    expect(() => connectPgSimple(undefined as never, { secret: 's' })).toThrow(/needs a pool of pg/);
  });

  it('old sessions without a store or a cookie for ours', async () => {
    const { manager } = await ours(EXPRESS5);
    const legacy = connectPgSimple({ query: async () => ({ rows: [] }) }, { secret: 's' });
    expect(() => manager.service('x', { legacy })).toThrow(/legacy needs a backend/);
    const transports = [{ ...cookie(), carrier: { query: 'token', responseHeader: 'session-token' } }];
    expect(() => manager.service('x', { legacy, backend: memory(), transports })).toThrow(
      /legacy needs a cookie among the transports/,
    );
  });

  it('what is no JSON: the answer is a 500 and tells nothing', async () => {
    const { at } = await app(({ session }, response) => {
      session.big = 1n;
      response.send('never seen');
    });
    const answer = await at.get('/go');
    expect([answer.status, answer.text.includes('never seen')]).toEqual([500, false]);
  });

  it('a req.session that is replaced by something else', async () => {
    const { at } = await app((request, response) => {
      (request as { session: unknown }).session = { user: 'me' };
      response.send('never seen');
    });
    expect((await at.get('/go')).status).toBe(500);
  });

  it('an old record that is none: 503, as the session is not known to be over', async () => {
    const pool = { query: async () => ({ rows: [{ sess: '[1]' }] }) };
    const { at } = await app((_, response) => response.send('never seen'), {
      legacy: connectPgSimple(pool, { secret: 's' }),
    });
    const { sign } = load('cookie-signature') as { sign(value: string, secret: string): string };
    const signed = encodeURIComponent(`s:${sign('id', 's')}`);
    expect((await at.get('/go', { cookie: `connect.sid=${signed}` })).status).toBe(503);
  });
});

it('a request that does not ask for req.session reads nothing and holds nothing', async () => {
  const { at } = await app((request, response) => {
    const { get } = Object.getOwnPropertyDescriptor(request, 'session') ?? {};
    response.send(`${typeof get} ${Object.hasOwn(response, 'writeHead')}`);
  });
  await at.get('/');
  expect((await at.get('/go')).text).toBe('function false');
});
