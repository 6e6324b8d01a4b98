import type { StoreHealth } from '@sessionkit/session-core';
import { describe, expect, test } from 'vitest';
import { ADMIN, BASIC, errorsOf, fixture, patch } from './fixture.js';

const STORE: StoreHealth = { type: 'redis', services: ['web'], ok: true, reason: undefined, clockOffset: 0 };

describe('health', () => {
  test('needs no credentials and no known host', async () => {
    const { ask } = await fixture();
    for (const path of ['/healthz', '/readyz', '/readyz/']) {
      const response = await ask('GET', path, { as: null, headers: { host: '10.1.2.3:8989' } });
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ status: 'ok' });
    }
    expect((await ask('POST', '/healthz', { as: null })).status).toBe(401);
  });

  test.each<[string, Partial<StoreHealth>, string | undefined]>([
    [
      'a store that is down',
      { ok: false, reason: 'connect ECONNREFUSED 10.0.0.5:6379' },
      'store redis: does not work',
    ],
    [
      'a clock 61 s behind',
      { clockOffset: -61_000 },
      'store redis: its clock and that of this process are 61 s apart',
    ],
    ['a clock 60 s ahead', { clockOffset: 60_000 }, undefined],
    ['a store without a clock', { clockOffset: undefined }, undefined],
  ])('with %s is told as it is, without internals', async (_name, over, detail) => {
    const { ask, manager } = await fixture();
    manager.health = async () => [STORE, { ...STORE, ...over }];
    const response = await ask('GET', '/readyz', { as: null });
    expect(response.status).toBe(detail === undefined ? 200 : 503);
    if (detail !== undefined) expect(await errorsOf(response)).toEqual([detail]);
    expect((await ask('GET', '/healthz', { as: null })).status).toBe(200);
  });

  test('asks the stores at most once a second', async () => {
    const { ask, manager, environment } = await fixture();
    let asked = 0;
    manager.health = async () => {
      asked++;
      return asked === 1 ? [STORE] : [{ ...STORE, ok: false }];
    };
    const statuses = await Promise.all(Array.from({ length: 20 }, () => ask('GET', '/readyz', { as: null })));
    expect(statuses.every((response) => response.status === 200)).toBe(true);
    expect(asked).toBe(1);
    await environment.advance(1_000);
    expect((await ask('GET', '/readyz', { as: null })).status).toBe(503);
    expect(asked).toBe(2);
  });

  test('is bad when a real store is closed, when it cannot be told, and when the app says so', async () => {
    const closed = await fixture();
    await closed.manager.close();
    expect((await closed.ask('GET', '/readyz', { as: null })).status).toBe(503);

    const broken = await fixture();
    broken.manager.health = () => Promise.reject(new Error('inside'));
    const answer = await broken.ask('GET', '/readyz', { as: null });
    expect([answer.status, await errorsOf(answer)]).toEqual([
      503,
      ['The state of the stores cannot be told.'],
    ]);

    let reasons: string[] = [];
    const draining = await fixture({ health: async () => reasons });
    expect((await draining.ask('GET', '/readyz', { as: null })).status).toBe(200);
    reasons = ['The process is stopping.'];
    const stopping = await draining.ask('GET', '/readyz', { as: null });
    expect([stopping.status, await errorsOf(stopping)]).toEqual([503, ['The process is stopping.']]);
  });
});

describe('the access log', () => {
  test('has passwords that are guessed at the paths of health, which ask for some with another method', async () => {
    const { ask, access } = await fixture();
    for (const method of ['POST', 'DELETE'])
      expect((await ask(method, '/healthz', { as: { name: 'admin', password: 'guess' } })).status).toBe(401);
    expect(access.map(({ method, claimed }) => [method, claimed])).toEqual([
      ['POST', 'admin'],
      ['DELETE', 'admin'],
    ]);
    for (const path of ['/healthz', '/readyz', '/healthz/']) await ask('HEAD', path, { as: null });
    expect(access).toHaveLength(2);
  });

  test('says who did what to what, with which outcome, from where', async () => {
    const { ask, start, access, environment } = await fixture();
    const { id } = await start();
    const path = `/v1/sessions/${id}`;
    await ask('GET', '/v1/sessions?whatever=1', { as: BASIC, from: '192.0.2.5' });
    await ask('PATCH', path, { body: patch({ log_info: true }) });
    await ask('DELETE', `${path}?ttl=5&sync=false`);
    await ask('DELETE', path, { as: BASIC });
    await ask('DELETE', path, { as: { name: 'admin', password: 'guess' } });
    await ask('DELETE', path, { as: { name: 'is this a password', password: 'guess' } });
    await ask('GET', '/healthz', { as: null });
    const common = {
      at: environment.now(),
      duration: 0,
      address: '127.0.0.1',
      claimed: undefined,
      body: undefined,
      query: undefined,
    };
    expect(access).toEqual([
      {
        ...common,
        actor: 'watcher',
        action: 'sessions.list',
        method: 'GET',
        target: '/v1/sessions',
        query: {},
        status: 200,
        outcome: 'ok',
        address: '192.0.2.5',
      },
      {
        ...common,
        actor: 'admin',
        action: 'sessions.alter',
        method: 'PATCH',
        target: path,
        query: {},
        body: { data: { attributes: { parameters: { log_info: true } } } },
        status: 204,
        outcome: 'ok',
      },
      {
        ...common,
        actor: 'admin',
        action: 'sessions.end',
        method: 'DELETE',
        target: path,
        query: { ttl: 5 },
        status: 204,
        outcome: 'ok',
      },
      {
        ...common,
        actor: 'watcher',
        action: 'sessions.end',
        method: 'DELETE',
        target: '/v1/sessions/{id}',
        status: 401,
        outcome: 'refused',
      },
      {
        ...common,
        actor: undefined,
        claimed: 'admin',
        action: 'unknown',
        method: 'DELETE',
        target: path,
        status: 401,
        outcome: 'refused',
      },
      {
        ...common,
        actor: undefined,
        action: 'unknown',
        method: 'DELETE',
        target: path,
        status: 401,
        outcome: 'refused',
      },
    ]);
  });

  test('never holds a password, an Authorization or a body that was refused', async () => {
    const { ask, access, environment, start } = await fixture();
    const { id } = await start();
    await ask('PATCH', `/v1/sessions/${id}`, { body: '{"data":{"password":"hunter2"}}' });
    await ask('PATCH', `/v1/sessions/${id}?password=hunter2`, { body: patch({}) });
    await ask('GET', `/v1/${'hunter2'.repeat(6)}`);
    await ask('GET', '/v1/a%0ahunter2');
    expect(access.map((entry) => entry.status)).toEqual([400, 400, 404, 404]);
    const text = JSON.stringify([access, environment.entries]);
    for (const secret of [
      'hunter2',
      ADMIN.password,
      Buffer.from(`admin:${ADMIN.password}`).toString('base64'),
    ]) {
      expect(text).not.toContain(secret);
    }
  });
});
