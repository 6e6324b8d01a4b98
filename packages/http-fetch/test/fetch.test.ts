import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { fetchSettings, openFetch, sessionFetch } from '../src/index.js';
import { cookieOf, down, get, world } from './help.js';

const set = (w: ReturnType<typeof world>) =>
  sessionFetch(w.service, (_request, session) => {
    session.set('n', 1);
    return new Response('set');
  })(get('/set'));

describe('openFetch', () => {
  it('gives a visit to read, and applies it to a Response', async () => {
    const w = world();
    const visit = await openFetch(w.service, get());
    expect(visit.refused).toBeUndefined();
    visit.session.set('n', 1);
    const answer = await visit.apply(new Response('ok', { status: 201 }));
    expect([answer.status, await answer.text(), answer.headers.get('cache-control')]).toEqual([
      201,
      'ok',
      'no-store',
    ]);
    const again = await openFetch(w.service, get('/', { cookie: cookieOf(answer) }));
    expect(again.session.get('n')).toBe(1);
    expect(w.open()).toBe(1);
    again.close();
    expect(w.open()).toBe(0);
  });

  it('leaves the answer of a reader as it is', async () => {
    const w = world();
    const visit = await openFetch(w.service, get());
    const response = new Response('ok');
    expect(await visit.apply(response)).toBe(response);
    expect(w.open()).toBe(0);
  });

  it('sets fields on answers whose headers cannot be changed, such as redirects', async () => {
    const w = world();
    const visit = await openFetch(w.service, get('/login', {}, { method: 'POST' }));
    await visit.session.login('alice');
    const answer = await visit.apply(Response.redirect('http://shop.example/home', 303));
    expect([answer.status, answer.headers.get('location')]).toEqual([303, 'http://shop.example/home']);
    expect(cookieOf(answer)).toMatch(/^sid=s/);
  });

  it('is refused with an answer that is ready to go, and closed', async () => {
    const w = world({ session: 'required' });
    const visit = await openFetch(w.service, get('/', { cookie: 'sid=rubbish' }));
    expect(visit.refused?.status).toBe(401);
    expect(await visit.refused?.json()).toMatchObject({ code: 'session_invalid' });
    expect(visit.refused?.headers.getSetCookie()[0]).toMatch(/^sid=;/);
    expect(w.open()).toBe(0);
  });

  it('tells what a route lacks, and then neither stores nor hands out anything', async () => {
    const w = world({ autoCreate: true });
    const visit = await openFetch(w.service, get());
    visit.session.set('n', 1);
    const lacking = visit.require({ require: 'user' });
    expect(lacking?.status).toBe(401);
    const answer = await visit.apply(new Response('x'));
    expect(answer.headers.getSetCookie()).toEqual([]);
    expect(w.open()).toBe(0);
    expect(() => visit.require({ fresh: 5 })).toThrowError(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });

  it('guards the request for a WebSocket as an upgrade, and creates no session for it', async () => {
    const w = world({ autoCreate: true });
    const upgrade = { upgrade: 'WebSocket', connection: 'Upgrade' };
    const foreign = await openFetch(w.service, get('/ws', { ...upgrade, 'sec-fetch-site': 'cross-site' }));
    expect(foreign.refused?.status).toBe(403);
    const own = await openFetch(w.service, get('/ws', { ...upgrade, 'sec-fetch-site': 'same-origin' }));
    expect([own.refused, own.session.id]).toEqual([undefined, undefined]);
    own.close();
  });
});

describe('a body', () => {
  const stream = (parts: readonly string[], ms: number, end?: () => void) =>
    new ReadableStream<Uint8Array>({
      async start(controller) {
        for (const part of parts) {
          controller.enqueue(new TextEncoder().encode(part));
          await wait(ms);
        }
        end?.();
        controller.close();
      },
    });

  it.each([
    ['a text', 'whole'],
    ['bytes', new TextEncoder().encode('whole')],
    ['parameters', new URLSearchParams('whole')],
    ['an empty text', ''],
  ])('that is there as a whole stays whole: %s', async (_name, body) => {
    const w = world();
    const cookie = cookieOf(await set(w));
    const visit = await openFetch(w.service, get('/', { cookie }));
    const answer = await visit.apply(new Response(body));
    // Nothing is left to be waited for: the visit is over before anybody reads.
    expect(w.open()).toBe(0);
    expect((await answer.text()).replace('=', '')).toBe(body === '' ? '' : 'whole');
    expect(answer.headers.get('content-type')).toBe(new Response(body).headers.get('content-type'));
  });

  it('that streams keeps the visit open until it was read to its end', async () => {
    const w = world();
    const cookie = cookieOf(await set(w));
    const visit = await openFetch(w.service, get('/', { cookie }));
    const end = () => visit.session.set('late', true);
    const answer = await visit.apply(new Response(stream(['a', 'b', 'c'], 5, end)));
    expect(w.open()).toBe(1);
    expect(await answer.text()).toBe('abc');
    expect(w.open()).toBe(0);
    const after = await openFetch(w.service, get('/', { cookie }));
    expect(after.session.get('late')).toBe(true);
    after.close();
  });

  it('that ends at once may still change the session before it does', async () => {
    const w = world();
    const cookie = cookieOf(await set(w));
    const visit = await openFetch(w.service, get('/', { cookie }));
    const quick = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new Uint8Array([65]));
        visit.session.set('late', true);
        controller.close();
      },
    });
    expect(await (await visit.apply(new Response(quick))).text()).toBe('A');
    const after = await openFetch(w.service, get('/', { cookie }));
    expect(after.session.get('late')).toBe(true);
    after.close();
  });

  it('that breaks off breaks off for the client too, and nothing stays open', async () => {
    const w = world();
    const cookie = cookieOf(await set(w));
    const visit = await openFetch(w.service, get('/', { cookie }));
    const broken = new ReadableStream({
      async pull(controller) {
        await wait(5);
        controller.error(new Error('the disk is gone'));
      },
    });
    const answer = await visit.apply(new Response(broken));
    await expect(answer.text()).rejects.toThrow('the disk is gone');
    expect(w.open()).toBe(0);
  });

  it('that nobody reads is closed with the request', async () => {
    const w = world();
    const cookie = cookieOf(await set(w));
    const gone = new AbortController();
    const visit = await openFetch(w.service, get('/', { cookie }, { signal: gone.signal }));
    await visit.apply(new Response(stream(['a', 'b'], 50)));
    expect(w.open()).toBe(1);
    gone.abort();
    expect(w.open()).toBe(0);
  });

  it('that is cancelled cancels its source', async () => {
    const w = world();
    const cookie = cookieOf(await set(w));
    const visit = await openFetch(w.service, get('/', { cookie }));
    let reason: unknown;
    const endless = new ReadableStream({
      pull: () => wait(1000),
      cancel(why) {
        reason = why;
      },
    });
    const answer = await visit.apply(new Response(endless));
    await answer.body?.cancel('enough');
    expect([reason, w.open()]).toEqual(['enough', 0]);
  });
});

describe('sessionFetch', () => {
  it('replaces an answer whose change cannot be stored, and keeps what speaks of every answer', async () => {
    const w = world();
    const cookie = cookieOf(await set(w));
    let cancelled = false;
    const handler = sessionFetch(
      w.service,
      (_request, session) => {
        session.set('n', 2);
        const body = new ReadableStream({
          cancel() {
            cancelled = true;
          },
        });
        const headers = { 'x-app': '1', 'access-control-allow-origin': '*', vary: 'Accept' };
        return new Response(body, { headers });
      },
      { environment: w.environment },
    );
    w.backend.save = () => Promise.reject(down);
    const answer = await handler(get('/x?secret=1', { cookie }));
    expect([answer.status, cancelled, w.open()]).toEqual([503, true, 0]);
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    expect(answer.headers.get('vary')).toBe('Cookie, Accept');
    expect(answer.headers.has('x-app')).toBe(false);
    const said = w.log.map(({ message }) => message);
    expect(said).toContain('GET /x: the answer was replaced: its changes could not be stored');
    expect(said.join()).not.toContain('secret');
  });

  it('passes on what the server gives, to the handler and to address', async () => {
    const w = world();
    const handler = sessionFetch(
      w.service,
      (_request, session, env: { peer: string }) => new Response(`${session.client.ip} ${env.peer}`),
      { address: (_request, env) => env.peer, trustProxy: ['10.0.0.0/8'] },
    );
    const direct = await handler(get('/', { 'x-forwarded-for': '192.0.2.1' }), { peer: '198.51.100.1' });
    expect(await direct.text()).toBe('198.51.100.1 198.51.100.1');
    const proxied = await handler(get('/', { 'x-forwarded-for': '192.0.2.1' }), { peer: '10.1.2.3' });
    expect(await proxied.text()).toBe('192.0.2.1 10.1.2.3');
  });

  it('knows no address by default, and believes nobody then', async () => {
    const w = world();
    const options = { trustProxy: ['0.0.0.0/0', '::/0'] };
    const handler = sessionFetch(w.service, (_request, { client }) => Response.json(client), options);
    const answer = await handler(get('/', { 'x-forwarded-for': '192.0.2.1', 'user-agent': 'me' }));
    expect(await answer.json()).toEqual({ ip: '', port: 0, cipher: '', userAgent: 'me', attributes: {} });
  });

  it.each([
    ['/a/b?x=1', '/a/b', true],
    ['/a', '/a', false],
    ['/a?x=1#x=2', '/a', true],
    ['/a?%78=1', '/a', true],
    ['/a/../c?x=%31', '/c', true],
    ['/a#?x=1', '/a', false],
  ])('reads path and query of %s', async (path, expected, found) => {
    const w = world();
    let seen: unknown;
    const open = w.service.open.bind(w.service);
    w.service.open = (request) => {
      seen = [request.path, request.query('x'), request.host, request.secure];
      return open(request);
    };
    (await openFetch(w.service, new Request(`https://shop.example:8443${path}`))).close();
    expect(seen).toEqual([expected, found ? ['1'] : [], 'shop.example:8443', true]);
  });

  it('refuses bad options at once', () => {
    const { service } = world();
    const handler = () => new Response();
    const invalid = expect.objectContaining({ code: 'CONFIG_INVALID' });
    expect(() => sessionFetch(service, handler, { access: { fresh: 1 } })).toThrowError(invalid);
    expect(() => fetchSettings({ trustProxy: ['proxy.example'] })).toThrowError(invalid);
  });
});
