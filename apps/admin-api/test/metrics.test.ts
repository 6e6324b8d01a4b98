import { describe, expect, test } from 'vitest';
import { BASIC, errorsOf, fixture } from './fixture.js';

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

describe('metrics', () => {
  test('are told to users, as they are', async () => {
    let asked = 0;
    const text = async () => `sessions_total ${++asked}\n`;
    const f = await fixture({ metrics: { contentType: CONTENT_TYPE, text } });
    for (const [as, expected] of [
      [undefined, 'sessions_total 1\n'],
      [BASIC, 'sessions_total 2\n'],
    ] as const) {
      const response = await f.ask('GET', '/metrics', { as });
      expect([response.status, response.headers.get('content-type')]).toEqual([200, CONTENT_TYPE]);
      expect(await response.text()).toBe(expected);
    }
    expect((await f.ask('GET', '/metrics', { as: null })).status).toBe(401);
    expect(f.access.map(({ action }) => action)).toEqual(['metrics', 'metrics', 'unknown']);
  });

  test('that a process does not keep are a 501', async () => {
    const f = await fixture();
    const response = await f.ask('GET', '/metrics');
    expect([response.status, await errorsOf(response)]).toEqual([501, ['This process keeps no metrics.']]);
  });

  test('that cannot be made are a 500, and why is in the log', async () => {
    const text = () => Promise.reject(new Error('no memory'));
    const f = await fixture({ metrics: { contentType: CONTENT_TYPE, text } });
    expect((await f.ask('GET', '/metrics')).status).toBe(500);
    expect(f.environment.entries).toMatchObject([{ message: 'admin API: metrics failed' }]);
  });
});
