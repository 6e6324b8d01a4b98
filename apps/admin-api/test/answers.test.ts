import { SessionError } from '@sessionkit/session-core';
import { describe, expect, test } from 'vitest';
import { errorsOf, fixture, patch } from './fixture.js';

const ID = 's01k6y3v9qxm2r8t4w7z5b1c0d3';

describe('faults', () => {
  test.each([
    ['BACKEND_DOWN', 503, 'The session store cannot be reached. Try again.'],
    [
      'BACKEND_FAILED',
      503,
      'The session store failed; whether a change was made is not known. Look, and try again.',
    ],
    ['BACKEND_FULL', 503, 'The session store is full.'],
    ['BACKEND_CLOSED', 503, 'The session store is closed: the process is stopping.'],
    ['RECORD_CORRUPT', 503, 'The record of a session cannot be read.'],
    ['CONFLICT', 409, 'The session is being changed by others at the same moment. Try again.'],
    ['UNSUPPORTED', 501, 'The session store cannot do this.'],
    ['CONFIG_INVALID', 500, 'Internal error. The log of the process says more.'],
  ] as const)(
    'of code %s are a %i, on every route, and tell nothing of the inside',
    async (code, status, detail) => {
      const { ask, manager } = await fixture();
      const fail = () =>
        Promise.reject(
          new SessionError(code, 'redis://root:hunter2@10.0.0.5', {
            cause: new Error('ECONNREFUSED 10.0.0.5'),
          }),
        );
      Object.assign(manager, {
        get: fail,
        inspect: fail,
        list: fail,
        end: fail,
        alter: fail,
        count: fail,
        restart: fail,
        restartAll: fail,
      });
      for (const [method, path, body] of [
        ['GET', '/v1/sessions'],
        ['GET', `/v1/sessions/${ID}`],
        ['DELETE', `/v1/sessions/${ID}`],
        ['PATCH', `/v1/sessions/${ID}`, patch({ log_info: true })],
        ['GET', `/v1/sessions/${ID}/relationships/services`],
        ['GET', `/v1/sessions/${ID}/relationships/filters`],
        ['PATCH', `/v1/sessions/${ID}/relationships/filters`, '{"data":[]}'],
        ['GET', '/v1/sessions?page[size]=10'],
        ['GET', `/v1/sessions?filter=id="${ID}"`],
        ['POST', `/v1/sessions/${ID}/restart`],
        ['POST', '/v1/sessions/restart'],
      ] as const) {
        const response = await ask(method, path, { body });
        expect(response.status).toBe(status);
        expect(await errorsOf(response)).toEqual([detail]);
      }
    },
  );

  test('of our own making are a 500 that is logged with its cause', async () => {
    const { ask, manager, environment } = await fixture();
    const mistake = new TypeError('x is not a function');
    manager.inspect = () => Promise.reject(mistake);
    const response = await ask('GET', `/v1/sessions/${ID}`);
    expect(response.status).toBe(500);
    expect(await errorsOf(response)).toEqual(['Internal error. The log of the process says more.']);
    expect(environment.entries).toEqual([
      { level: 'error', message: 'admin API: sessions.get failed', error: mistake },
    ]);
  });

  test('of a real store that is closed are a 503', async () => {
    const { ask, start, manager } = await fixture();
    const { id } = await start();
    await manager.close();
    for (const path of ['/v1/sessions', `/v1/sessions/${id}`])
      expect((await ask('GET', path)).status).toBe(503);
    expect((await ask('DELETE', `/v1/sessions/${id}`)).status).toBe(503);
  });
});

describe('every answer', () => {
  test('carries the common headers, whatever its status', async () => {
    const { ask, start } = await fixture();
    const { id } = await start();
    const answers = [
      await ask('GET', '/'),
      await ask('GET', '/v1/sessions'),
      await ask('HEAD', `/v1/sessions/${id}`),
      await ask('DELETE', `/v1/sessions/${id}?ttl=x`),
      await ask('DELETE', `/v1/sessions/${id}`),
      await ask('GET', '/nowhere'),
      await ask('GET', '/', { as: null }),
      await ask('GET', '/', { headers: { host: 'evil.example' } }),
      await ask('GET', '/healthz', { as: null }),
    ];
    expect(answers.map((response) => response.status)).toEqual([200, 200, 200, 400, 204, 404, 401, 421, 200]);
    for (const { headers } of answers) {
      expect(Object.fromEntries(headers)).toMatchObject({
        date: 'Mon, 01 Jun 2026 12:00:00 GMT',
        'cache-control': 'no-cache',
        'x-frame-options': 'Deny',
        'x-xss-protection': '1',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'same-origin',
      });
    }
  });

  test('to HEAD is that of GET without a body', async () => {
    const { ask, start } = await fixture();
    const { id } = await start();
    for (const path of ['/v1/sessions', `/v1/sessions/${id}`, '/v1/services', '/nowhere']) {
      const [head, get] = [await ask('HEAD', path), await ask('GET', path)];
      expect(head.status).toBe(get.status);
      expect([...head.headers]).toEqual([...get.headers]);
      expect(await head.text()).toBe('');
    }
  });
});
