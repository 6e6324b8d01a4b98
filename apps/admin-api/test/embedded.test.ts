import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { serve } from '@hono/node-server';
import express4 from 'express4';
import express5 from 'express5';
import { Hono } from 'hono';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type AdminApiOptions, createAdminApi, type Operator, toNodeHandler } from '../src/index.js';
import { type Fixture, fixture, request } from './fixture.js';

const BASE = '/ops/sessions-api';
const OPERATORS: Readonly<Record<string, Operator>> = {
  'key-of-ann': { name: 'ann', account: 'admin' },
  'key-of-bob': { name: 'bob', account: 'basic' },
};

/** The guard of an application: its operators have keys. */
const operatorOf = (key: string | null | undefined) => OPERATORS[key ?? ''];
const authenticate = (asked: Request) => operatorOf(asked.headers.get('x-key'));

/** Listens with what the application has made of the API; answers how it is asked. */
type Host = (fx: Fixture, options: Partial<AdminApiOptions>) => Promise<string>;

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function apiOf({ manager, environment }: Fixture, options: Partial<AdminApiOptions>) {
  return createAdminApi({ manager, environment, authenticate, basePath: BASE, ...options });
}

async function withHono(app: Hono): Promise<string> {
  let url = '';
  await new Promise<void>((resolve) => {
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => {
      url = `http://127.0.0.1:${port}`;
      resolve();
    });
    onTestFinished(async () => {
      await new Promise((done) => server.close(done));
    });
  });
  return url;
}

interface ExpressApp {
  use(...handlers: unknown[]): void;
}

function withExpress(express: { (): ExpressApp; json(): unknown }, parse: boolean): Host {
  return async (fx, options) => {
    const app = express();
    if (parse) app.use(express.json());
    app.use(BASE, toNodeHandler(apiOf(fx, options)));
    app.use((_request: unknown, response: { end(text: string): void }) => response.end('the application'));
    return listen(app as unknown as RequestListener);
  };
}

const HOSTS: Readonly<Record<string, Host>> = {
  'node:http': async (fx, options) => {
    const handler = toNodeHandler(apiOf(fx, options));
    return listen((incoming, outgoing) => {
      if (incoming.url?.startsWith(`${BASE}/`)) void handler(incoming, outgoing);
      else outgoing.end('the application');
    });
  },
  'Express 4': withExpress(express4 as never, false),
  'Express 5': withExpress(express5 as never, false),
  'Express 4 behind express.json()': withExpress(express4 as never, true),
  'Express 5 behind express.json()': withExpress(express5 as never, true),
  'Hono, by a route': async (fx, options) => {
    const api = apiOf(fx, options);
    const app = new Hono();
    app.all(`${BASE}/*`, (c) => api.fetch(c.req.raw));
    app.all('*', (c) => c.text('the application'));
    return withHono(app);
  },
  'Hono, mounted': async (fx, options) => {
    const api = apiOf(fx, options);
    const app = new Hono();
    app.mount(BASE, (asked) => api.fetch(asked));
    app.all('*', (c) => c.text('the application'));
    return withHono(app);
  },
};

const ann = { 'x-key': 'key-of-ann' };
const bob = { 'x-key': 'key-of-bob' };

interface Linked {
  readonly links: { readonly self: string };
  readonly data: readonly { readonly id: string; readonly links: { readonly self: string } }[];
}

describe.each(Object.entries(HOSTS))('embedded in %s', (_name, host) => {
  it('lists, shows, alters and ends sessions below its path, with links that lead there', async () => {
    const fx = await fixture();
    const url = await host(fx, {});
    const { id } = await fx.start({ user: 'alice' });
    const list = (await (await fetch(`${url}${BASE}/v1/sessions`, { headers: ann })).json()) as Linked;
    expect(list.links.self).toBe(`${url}${BASE}/v1/sessions/`);
    expect(list.data.map((row) => row.id)).toEqual([id]);
    const self = list.data[0]?.links.self ?? '';
    expect(self).toBe(`${url}${BASE}/v1/sessions/${id}/`);
    expect((await fetch(self, { headers: ann })).status).toBe(200);

    const draft = (await (await fetch(`${url}${BASE}/sessions/${id}`, { headers: ann })).json()) as {
      service: string;
    };
    expect(draft.service).toBe(`${BASE}/services/web`);
    expect((await fetch(`${url}${draft.service}`, { headers: ann })).status).toBe(200);

    const altered = await fetch(self, {
      method: 'PATCH',
      headers: { ...ann, 'content-type': 'application/json' },
      body: '{"data":{"attributes":{"parameters":{"log_info":true}}}}',
    });
    expect(altered.status).toBe(204);
    expect((await fx.manager.get(id as never))?.parameters).toEqual({ log_info: true });

    const restarted = await fetch(`${self}restart`, {
      method: 'POST',
      headers: { ...ann, 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(restarted.status).toBe(204);
    expect((await fetch(self, { method: 'DELETE', headers: ann })).status).toBe(204);
    expect((await fetch(self, { headers: ann })).status).toBe(404);
  });

  it('asks the application who it is, and keeps the roles', async () => {
    const fx = await fixture();
    const url = `${await host(fx, {})}${BASE}/v1/sessions`;
    const { id } = await fx.start();
    const nobody = await fetch(url, { headers: { authorization: 'Basic YWRtaW46Y29ycmVjdCBob3JzZQ==' } });
    expect([nobody.status, nobody.headers.get('www-authenticate')]).toEqual([401, null]);
    expect((await fetch(url, { headers: bob })).status).toBe(200);
    expect((await fetch(`${url}/${id}`, { method: 'DELETE', headers: bob })).status).toBe(401);
    expect(await fx.manager.get(id as never)).toBeDefined();
  });

  it('has no users or tokens of its own, and says so', async () => {
    const fx = await fixture();
    const url = `${await host(fx, {})}${BASE}`;
    for (const path of ['/v1/users', '/v1/users/inet', '/v1/auth'])
      expect([path, (await fetch(`${url}${path}`, { headers: ann })).status]).toEqual([path, 501]);
  });

  it('leaves the other paths of the application alone, and answers health without credentials', async () => {
    const fx = await fixture();
    const url = await host(fx, {});
    expect(await (await fetch(`${url}/v1/sessions`)).text()).toBe('the application');
    expect((await fetch(`${url}${BASE}/healthz`)).status).toBe(200);
    expect((await fetch(`${url}${BASE}/nothing`, { headers: ann })).status).toBe(404);
  });

  it('refuses a change that a page of another site asks for, whoever it is', async () => {
    const fx = await fixture();
    const url = `${await host(fx, {})}${BASE}/v1/sessions`;
    const { id } = await fx.start();
    const foreign = await fetch(`${url}/${id}`, {
      method: 'DELETE',
      headers: { ...ann, 'sec-fetch-site': 'cross-site' },
    });
    expect(foreign.status).toBe(403);
  });

  it('is a 500 without a word of the reason when the application cannot tell who it is', async () => {
    const fx = await fixture();
    const url = `${await host(fx, {
      authenticate: () => {
        throw new Error('the secret reason');
      },
    })}${BASE}/v1/sessions`;
    const response = await fetch(url);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('secret reason');
    expect(fx.environment.entries.at(-1)).toMatchObject({ level: 'error' });
  });
});

describe('the guard of an application', () => {
  it('hands on what it knows of the request, and who it has found', async () => {
    const fx = await fixture();
    const seen: unknown[] = [];
    const api = apiOf(fx, {
      authenticate: (_request, { user, incoming }) => {
        seen.push(incoming?.headers['x-key']);
        return user;
      },
    });
    const app = new Hono();
    app.all(`${BASE}/*`, (c) => {
      const user = operatorOf(c.req.header('x-key'));
      return api.fetch(c.req.raw, user && { user });
    });
    const hono = await withHono(app);
    expect((await fetch(`${hono}${BASE}/v1/sessions`, { headers: ann })).status).toBe(200);
    expect((await fetch(`${hono}${BASE}/v1/sessions`)).status).toBe(401);

    const handler = toNodeHandler(
      apiOf(fx, { authenticate: (_request, { incoming }) => operatorOf(String(incoming?.headers['x-key'])) }),
    );
    const node = await listen(handler);
    expect((await fetch(`${node}${BASE}/v1/sessions`, { headers: bob })).status).toBe(200);
    expect((await fetch(`${node}${BASE}/v1/sessions`)).status).toBe(401);
    expect(seen).toEqual([undefined, undefined]);
  });

  it('is logged by name, and what it does with it', async () => {
    const fx = await fixture();
    const access: unknown[] = [];
    const api = apiOf(fx, {
      access: ({ actor, action, target, status }) => access.push([actor, action, target, status]),
    });
    await api.fetch(request('GET', `${BASE}/v1/services/web`, { headers: ann, as: null }));
    await api.fetch(request('GET', `${BASE}/v1/services/web`, { as: null }));
    expect(access).toEqual([
      ['ann', 'services.get', '/v1/services/web', 200],
      [undefined, 'unknown', '/v1/services/web', 401],
    ]);
  });

  it.each([
    [{}],
    [{ name: '', account: 'admin' }],
    [{ name: 'ann', account: 'root' }],
    [{ name: 7, account: 'basic' }],
  ])('that answers %j is a mistake of the application, and lets nobody in', async (operator) => {
    const fx = await fixture();
    const api = apiOf(fx, { authenticate: () => operator as Operator });
    const response = await api.fetch(request('GET', `${BASE}/v1/sessions`, { as: null }));
    expect(response.status).toBe(500);
    expect(fx.environment.entries.at(-1)?.error).toMatchObject({
      message: expect.stringContaining('authenticate: must answer'),
    });
  });

  it('is there, or users are, and not both', async () => {
    const { manager, users } = await fixture();
    for (const options of [{}, { users, authenticate }])
      expect(() => createAdminApi({ manager, ...options })).toThrow(
        /say who may, by `users: .*` or by `authenticate`/,
      );
  });
});

describe('in the server of an application', () => {
  it('a list whose store fails in the middle is cut, so that it does not look whole', async () => {
    const fx = await fixture();
    for (let i = 0; i < 600; i++) await fx.start();
    const list = fx.manager.list.bind(fx.manager);
    Object.assign(fx.manager, {
      list: (query: Parameters<typeof list>[0]) =>
        query?.after === undefined ? list(query) : Promise.reject(new Error('the store is gone')),
    });
    const url = await listen(toNodeHandler(apiOf(fx, {})));
    for (const path of ['/v1/sessions', '/sessions']) {
      const response = await fetch(`${url}${BASE}${path}`, { headers: ann });
      expect(response.status).toBe(200);
      await expect(response.text()).rejects.toThrow();
    }
    expect(fx.environment.entries.filter(({ level }) => level === 'error')).toHaveLength(2);
  });

  it('a request that is none is a 400 in the form of all errors', async () => {
    const fx = await fixture();
    const url = new URL(await listen(toNodeHandler(apiOf(fx, {}))));
    const socket = connect(Number(url.port), url.hostname);
    socket.write(`GET ${BASE}/v1/sessions HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n`);
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(text).toMatch(/\{\s*"errors": \[\s*\{\s*"detail": "The request is malformed\."/);
  });

  it('a change whose note the application fails to take is answered as done, and the log tells', async () => {
    const fx = await fixture();
    const { id } = await fx.start();
    const access = () => {
      throw new Error('the disk is full');
    };
    const url = await listen(toNodeHandler(apiOf(fx, { access })));
    const ended = await fetch(`${url}${BASE}/v1/sessions/${id}`, { method: 'DELETE', headers: ann });
    expect(ended.status).toBe(204);
    expect(fx.environment.entries.at(-1)).toMatchObject({
      level: 'error',
      error: { message: 'the disk is full' },
    });
  });

  it('a request that the API fails at is a 500, and the log tells why', async () => {
    const { environment } = await fixture();
    const api = { fetch: () => Promise.reject(new Error('the secret reason')) };
    const answer = await fetch(await listen(toNodeHandler(api, { environment })));
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('secret reason');
    expect(environment.entries.at(-1)).toMatchObject({
      level: 'error',
      error: { message: 'the secret reason' },
    });
  });

  it.each([
    ['as text', '{"data":{}}'],
    ['as bytes', Buffer.from('{"data":{}}')],
    ['as an object', { data: {} }],
  ])('a body that a parser has read before, %s, is read again', async (_how, body) => {
    const fx = await fixture();
    const { id } = await fx.start();
    const handler = toNodeHandler(apiOf(fx, {}));
    const url = await listen((incoming, outgoing) => {
      incoming.resume().once('end', () => handler(Object.assign(incoming, { body }), outgoing));
    });
    const response = await fetch(`${url}${BASE}/v1/sessions/${id}`, {
      method: 'PATCH',
      headers: ann,
      body: '{"data":{}}',
    });
    expect(response.status).toBe(204);
  });

  it('names of hosts are those that the application has said', async () => {
    const fx = await fixture();
    const ask = async (hosts: string[]) => {
      const api = apiOf(fx, { hosts });
      const asked = new Request(`http://ops.example.com${BASE}/v1/sessions`, { headers: ann });
      return (await api.fetch(asked)).status;
    };
    expect([await ask([]), await ask(['ops.example.com'])]).toEqual([421, 200]);
  });
});

describe('the path under which it is mounted', () => {
  it.each(['', '/', undefined])('%j is the root', async (basePath) => {
    const fx = await fixture();
    const response = await apiOf(fx, { basePath }).fetch(request('GET', '/v1/sessions', { headers: ann }));
    expect(await response.json()).toMatchObject({ links: { self: 'http://localhost:8989/v1/sessions/' } });
  });

  it('may have come off before, or a slash more at its end', async () => {
    const fx = await fixture();
    for (const [basePath, path] of [
      [`${BASE}/`, `${BASE}/v1/sessions`],
      [BASE, '/v1/sessions'],
      [BASE, `/${BASE}//v1/sessions/`],
    ] as const) {
      const response = await apiOf(fx, { basePath }).fetch(request('GET', path, { headers: ann }));
      const found = path.includes('//v1') ? 404 : 200;
      expect([path, response.status]).toEqual([path, found]);
      if (found === 200)
        expect(await response.json()).toMatchObject({
          links: { self: `http://localhost:8989${BASE}/v1/sessions/` },
        });
    }
  });

  it('is a whole number of segments: a path that only begins alike is another one', async () => {
    const fx = await fixture();
    const response = await apiOf(fx, {}).fetch(request('GET', `${BASE}x/v1/sessions`, { headers: ann }));
    expect(response.status).toBe(404);
    const root = await apiOf(fx, {}).fetch(request('GET', BASE, { headers: ann }));
    expect(root.status).toBe(200);
  });

  it.each(['ops', '/ops?x', '/ops//api', '/o ps', '/ops/%2e', 'http://x/ops', '/../ops/..?'])(
    '%j is none',
    async (basePath) => {
      const fx = await fixture();
      expect(() => apiOf(fx, { basePath })).toThrow(/^basePath: must be a path such as "\/ops\/sessions"/);
    },
  );

  it.each(['/v1', '/sessions', '/services/admin', '/healthz', '/users', '/auth'])(
    '%s is one of its own, and could be read in two ways',
    async (basePath) => {
      const fx = await fixture();
      expect(() => apiOf(fx, { basePath })).toThrow(/begins like a path of the API itself/);
    },
  );
});
