import { memory } from '@sessionkit/backend-memory';
import { createSessionManager, type ServiceOptions } from '@sessionkit/session-core';
import { signedIn, testEnvironment } from '@sessionkit/testkit';
import { bearer } from '@sessionkit/transport-bearer';
import { cookie } from '@sessionkit/transport-cookie';
import { token } from '@sessionkit/transport-token';
import express4 from 'express4';
import express5 from 'express5';
import { describe, expect, it } from 'vitest';
import { requireSession, type SessionMiddleware, sessionMiddleware, sessionOf } from '../src/index.js';
import { serve } from './help.js';

function shop(options: Partial<ServiceOptions> = {}) {
  const environment = testEnvironment();
  const manager = createSessionManager({ environment });
  const backend = memory({ now: environment.now });
  const service = manager.service('shop', {
    transports: [cookie()],
    idleTimeout: 600_000,
    ...options,
    backend,
  });
  return { environment, manager, service };
}

describe.each([
  ['Express 4', (...steps: readonly SessionMiddleware[]) => express4().use('/me', ...steps)],
  ['Express 5', (...steps: readonly SessionMiddleware[]) => express5().use('/me', ...steps)],
] as const)('a user signed in for a test of %s', (_name, express) => {
  it('is served as one who has logged in, until the clock is turned', async () => {
    const { environment, service, manager } = shop();
    const app = express(
      sessionMiddleware(service, { environment }),
      requireSession({ require: 'user' }),
      (request, response) => {
        const session = sessionOf(request);
        response.end(JSON.stringify({ user: session.user, cart: session.get('cart') }));
      },
    );
    const { port } = await serve(app);
    const me = async (headers: Readonly<Record<string, string>>) => {
      const answer = await fetch(`http://127.0.0.1:${port}/me`, { headers });
      return { status: answer.status, body: (await answer.json()) as unknown };
    };
    const ann = await signedIn(service, 'ann', { cart: ['tea'] });
    const bob = await signedIn(service, 'bob');
    expect(await me(ann.headers)).toEqual({ status: 200, body: { user: 'ann', cart: ['tea'] } });
    expect(await me(bob.headers)).toMatchObject({ status: 200, body: { user: 'bob' } });
    expect((await me({})).status).toBe(401);
    expect((await manager.get(ann.id))?.user).toBe('ann');
    await environment.advance(600_000);
    expect(await me(ann.headers)).toMatchObject({ status: 401, body: { code: 'session_expired' } });
  });
});

it.each([
  ['cookie', [cookie({ options: { prefix: '__Host-' } })], /^__Host-/, ''],
  ['bearer', [bearer()], /^Bearer /, ''],
  ['token', [token()], undefined, /^_token=/],
] as const)('shows the token where clients of %s do', async (_name, transports, header, query) => {
  const { service } = shop({ transports, session: 'required' });
  const ann = await signedIn(service, 'ann');
  const [shown] = Object.values(ann.headers);
  if (header === undefined) expect(shown).toBeUndefined();
  else expect(shown).toMatch(header);
  expect(ann.query).toMatch(query);
  const visit = await service.open({
    method: 'GET',
    path: '/',
    secure: true,
    host: 'localhost',
    upgrade: false,
    untrustedProxy: false,
    header: (name) => ann.headers[name],
    query: (name) => new URLSearchParams(ann.query).getAll(name),
    client: () => ({ ip: '', port: 0, cipher: '', userAgent: '', attributes: {} }),
  });
  expect([visit.refusal, visit.session.id, visit.session.user]).toEqual([undefined, ann.id, 'ann']);
  visit.close();
});

it('logs in where the rules of paths allow it, from where it is told, and throws what a login throws', async () => {
  const { service, manager } = shop({
    paths: [
      { prefix: '/', session: 'none' },
      { prefix: '/app', session: 'optional' },
    ],
  });
  await expect(signedIn(service, 'ann')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  const { id } = await signedIn(service, 'ann', {}, { path: '/app', client: { ip: '192.0.2.7' } });
  expect((await manager.get(id))?.client).toMatchObject({ ip: '192.0.2.7', userAgent: '' });
  await expect(signedIn(service, '', {}, { path: '/app' })).rejects.toMatchObject({ code: 'INVALID_VALUE' });
});
