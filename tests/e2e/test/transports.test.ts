import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { type App, config, OPERATOR, startApp, startUpstream } from './app.js';
import { cookieOf, idOf, problemOf, send, sendRaw } from './client.js';

interface Seen {
  readonly url: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly raw: readonly string[];
  readonly trailers: Readonly<Record<string, string | undefined>>;
}

/** Answers what it was sent; `/login?user=` logs in, `/logout` out, `/count` counts in the session's data. */
async function service(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://up');
  for await (const _ of request);
  const data = request.headers['x-session-data'];
  const known = data === undefined ? {} : JSON.parse(Buffer.from(String(data), 'base64url').toString());
  if (url.pathname === '/login')
    response.setHeader('x-session-user', encodeURIComponent(url.searchParams.get('user') ?? ''));
  if (url.pathname === '/logout') response.setHeader('x-session-destroy', '1');
  if (url.pathname === '/count') {
    const patch = JSON.stringify({ count: (known.count ?? 0) + 1 });
    response.setHeader('x-session-data', Buffer.from(patch).toString('base64url'));
  }
  const { headers, rawHeaders: raw, trailers } = request;
  response.end(JSON.stringify({ url: request.url, headers, raw, trailers }));
}

const seen = (body: string) => JSON.parse(body) as Seen;
const memory = 'backend: { type: memory }';

/** Public ids of the living sessions, as an operator sees them. */
async function idsOf(app: App): Promise<readonly string[]> {
  const { body } = await send(`${app.admin}/v1/sessions`, { headers: OPERATOR });
  return (JSON.parse(body) as { data: readonly { id: string }[] }).data.map(({ id }) => id);
}

describe('the token transport', () => {
  it('carries a session in the query, hands it out in a header, and shows it to nobody else', async () => {
    const session = `{ auto_create: true, transport: { type: token }, ${memory} }`;
    const app = await startApp(config(await startUpstream(service), { session }));
    const first = await send(`${app.public}/count`);
    const token = String(first.headers['session-token']);
    expect(token).toMatch(/^s[0-9a-z]+\.[\w-]{43}$/);
    expect(first.headers['cache-control']).toBe('no-store');
    expect(first.headers['referrer-policy']).toBe('no-referrer');

    const second = await send(`${app.public}/count?a=1&_token=${token}&b=2`, {
      headers: { referer: 'http://shop/?_token=another' },
    });
    expect(seen(second.body).url).toBe('/count?a=1&b=2');
    expect(seen(second.body).headers['x-session-id']).toBe(idOf(token));
    expect(seen(second.body).headers.referer).toBe('http://shop/');
    expect(second.body).not.toContain(token.split('.')[1]);
    expect(await app.stop()).toBe(0);
    expect(app.access.map(({ url }) => url)).toEqual(['/count', '/count?a=1&_token=REDACTED&b=2']);
    expect(app.stdout + app.stderr).not.toContain(token.split('.')[1]);
  });
});

describe('the bearer transport', () => {
  it('carries a session in Authorization, both ways, with the challenges of RFC 6750', async () => {
    const session = `{ mode: required, transport: { type: bearer }, ${memory}, paths: [{ prefix: /login, mode: optional }] }`;
    const app = await startApp(config(await startUpstream(service), { session }));
    const none = await send(`${app.public}/`);
    expect(problemOf(none)).toMatchObject({ status: 401, code: 'session_required' });
    expect(none.headers['www-authenticate']).toMatch(/^Bearer(?!.*error=)/);

    const login = await send(`${app.public}/login?user=alice`, { method: 'POST' });
    const authorization = String(login.headers.authorization);
    expect(authorization).toMatch(/^Bearer s[0-9a-z]+\.[\w-]{43}$/);
    const inside = await send(`${app.public}/`, { headers: { authorization } });
    expect(seen(inside.body).headers).toMatchObject({ 'x-session-user': 'alice' });
    expect(seen(inside.body).headers).not.toHaveProperty('authorization');

    const forged = `${authorization.slice(0, -4)}AAAA`;
    const later = await send(`${app.public}/`, { headers: { authorization: forged } });
    expect(later.status).toBe(401);
    expect(later.headers['www-authenticate']).toContain('error="invalid_token"');
  });
});

describe('a list of transports', () => {
  it('takes the first that carries a token, and refuses two that differ', async () => {
    const session = `{ auto_create: true, transport: [{ type: cookie }, { type: token }], ${memory} }`;
    const app = await startApp(config(await startUpstream(service), { session }));
    const one = cookieOf(await send(app.public)).split('=')[1] ?? '';
    const two = cookieOf(await send(app.public)).split('=')[1] ?? '';
    expect(seen((await send(`${app.public}/?_token=${two}`)).body).headers['x-session-id']).toBe(idOf(two));
    const both = { headers: { cookie: `sxapi-sess=${one}` } };
    expect(problemOf(await send(`${app.public}/?_token=${two}`, both))).toMatchObject({ status: 400 });
    expect((await send(`${app.public}/?_token=${one}`, both)).status).toBe(200);
  });
});

describe('paths that need a session', () => {
  const session = `{ transport: { type: cookie }, ${memory}, paths: [{ prefix: /app, mode: required, login_url: /login }, { prefix: /api, mode: required }] }`;

  it('get 401, or 302 to the login for a browser; the login behind the gateway creates the session', async () => {
    const app = await startApp(config(await startUpstream(service), { session }));
    const page = await send(`${app.public}/app/x`, { headers: { accept: 'text/html' } });
    expect(page).toMatchObject({ status: 302, headers: { location: '/login' } });
    expect(problemOf(await send(`${app.public}/api`))).toMatchObject({
      status: 401,
      code: 'session_required',
    });
    expect((await send(`${app.public}/apple`)).status).toBe(200);
    expect(await idsOf(app)).toEqual([]);

    const login = await send(`${app.public}/login?user=zo%C3%AB`, { method: 'POST' });
    const inside = await send(`${app.public}/app/x`, { headers: { cookie: cookieOf(login) } });
    expect(seen(inside.body).headers['x-session-user']).toBe('zo%C3%AB');
    expect(await idsOf(app)).toHaveLength(1);
  });

  it('open by a login, count, and close by a logout', async () => {
    const app = await startApp(config(await startUpstream(service), { session }));
    const login = await send(`${app.public}/login?user=alice`, { method: 'POST' });
    const cookie = cookieOf(login);
    expect(login.headers).not.toHaveProperty('x-session-user');
    await send(`${app.public}/count`, { headers: { cookie } });
    const counted = seen((await send(`${app.public}/app`, { headers: { cookie } })).body).headers;
    expect(counted['x-session-user']).toBe('alice');
    expect(Buffer.from(counted['x-session-data'] ?? '', 'base64url').toString()).toBe('{"count":1}');
    expect(await app.line('/app')).toMatchObject({ user: 'alice', session: idOf(cookie) });
    expect(await idsOf(app)).toEqual([idOf(cookie)]);

    const logout = await send(`${app.public}/logout`, { method: 'POST', headers: { cookie } });
    expect(logout.headers['set-cookie']?.[0]).toMatch(/^sxapi-sess=;/);
    expect(await app.line('/logout')).toMatchObject({ user: 'alice', session: idOf(cookie) });
    const after = await send(`${app.public}/app`, { headers: { cookie } });
    expect(problemOf(after)).toMatchObject({ status: 401, code: 'session_ended' });
  });
});

describe('a client', () => {
  it('cannot tell the upstream who it is', async () => {
    const app = await startApp(config(await startUpstream(service)));
    const raw = (head: string, body = '') =>
      sendRaw(app.public, `POST /x HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n${head}\r\n${body}`);
    const injected = [
      'X-Session-User: admin',
      'X_Session_User: admin',
      'x-SESSION_user: admin',
      'X-Session-Data: e30',
    ];
    for (const line of injected) {
      const answer = await raw(`${line}\r\nContent-Length: 0\r\n`);
      expect(answer).toContain('200 OK');
      expect(answer).not.toMatch(/session[-_]user|e30/i);
    }
    const named = await sendRaw(
      app.public,
      'GET /x HTTP/1.1\r\nHost: shop\r\nConnection: close, X-Session-Id, X-Session-User\r\nX-Session-User: admin\r\n\r\n',
    );
    expect(named).toMatch(/x-session-id":"s[0-9a-z]+"/);
    expect(named).not.toMatch(/admin/);
    const trailers = await raw(
      'Transfer-Encoding: chunked\r\nTrailer: X-Session-User\r\n',
      '1\r\na\r\n0\r\nX-Session-User: admin\r\nX_Session_User: admin\r\n\r\n',
    );
    expect(trailers).toContain('200 OK');
    expect(trailers).not.toMatch(/admin/);
  });

  it('gets nothing for an id from the list of sessions', async () => {
    const session = `{ mode: required, auto_create: true, transport: [{ type: cookie }, { type: token }, { type: bearer }], ${memory} }`;
    const app = await startApp(config(await startUpstream(service), { session }));
    const cookie = cookieOf(await send(app.public));
    const [id = ''] = await idsOf(app);
    expect(id).toBe(idOf(cookie));
    const secret = 'A'.repeat(43);
    for (const value of [id, `${id}.`, `${id}.${secret}`]) {
      for (const [path, headers] of [
        ['/', { cookie: `sxapi-sess=${value}` }],
        [`/?_token=${value}`, {}],
        ['/', { authorization: `Bearer ${value}` }],
      ] as const) {
        const answer = await send(app.public + path, { headers });
        expect(answer.body).not.toContain(`"x-session-id":"${id}"`);
      }
    }
    expect((await send(app.public, { headers: { cookie } })).body).toContain(`"x-session-id":"${id}"`);
  });
});
