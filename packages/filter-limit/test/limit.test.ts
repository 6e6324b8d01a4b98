import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { onEvent, SessionError } from '@sessionkit/session-core';
import { TestClock } from '@sessionkit/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import { limit } from '../src/index.js';
import { serve } from './serve.js';

const statuses = async (url: string, count: number) => {
  const found: number[] = [];
  for (let i = 0; i < count; i++) {
    const answer = await fetch(url);
    await answer.text();
    found.push(answer.status);
  }
  return found;
};

describe('the rate', () => {
  it('lets as many requests through at once as it says, then one whenever its share of the time has passed', async () => {
    const clock = new TestClock();
    const { url } = await serve(limit({ rate: { requests: 3, per: 3_000 }, now: () => clock.now() }));
    expect(await statuses(url, 5)).toEqual([200, 200, 200, 429, 429]);
    await clock.advance(999);
    expect(await statuses(url, 1)).toEqual([429]);
    await clock.advance(1);
    expect(await statuses(url, 2)).toEqual([200, 429]);
    await clock.advance(60_000);
    expect(await statuses(url, 4)).toEqual([200, 200, 200, 429]);
  });

  it('adds the parts of a request up without a loss', async () => {
    const clock = new TestClock();
    const { url } = await serve(limit({ rate: { requests: 7, per: 1_000 }, now: () => clock.now() }));
    await statuses(url, 7);
    for (let i = 0; i < 100; i++) await clock.advance(10);
    expect(await statuses(url, 8)).toEqual([200, 200, 200, 200, 200, 200, 200, 429]);
  });

  it('is neither given nor taken by a clock that is set back', async () => {
    let now = 10_000;
    const { url } = await serve(limit({ rate: { requests: 2, per: 1_000 }, now: () => now }));
    expect(await statuses(url, 1)).toEqual([200]);
    now = 0;
    expect(await statuses(url, 2)).toEqual([200, 429]);
    now = 500;
    expect(await statuses(url, 2)).toEqual([200, 429]);
  });

  it('is that of the clock of the process unless another one is given', async () => {
    const { url } = await serve(limit({ rate: { requests: 1, per: 50 } }));
    await statuses(url, 1);
    await expect.poll(async () => (await statuses(url, 1))[0]).toBe(200);
  });
});

describe('what a refused request gets', () => {
  it('is a problem document that says when to come again, and is kept by nobody', async () => {
    const clock = new TestClock();
    const { url } = await serve(limit({ rate: { requests: 2, per: 5_000 }, now: () => clock.now() }));
    await statuses(url, 2);
    const answer = await fetch(url);
    expect(answer.status).toBe(429);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('retry-after')).toBe('3');
    expect(await answer.json()).toEqual({
      type: 'about:blank',
      title: 'Too Many Requests',
      status: 429,
      code: 'too_many',
      detail: 'The session sends too many requests; try again later.',
    });
    await clock.advance(3_000);
    expect(await statuses(url, 1)).toEqual([200]);
  });

  it('comes without a body for HEAD', async () => {
    const { url } = await serve(limit({ rate: { requests: 1, per: 5_000 } }));
    await statuses(url, 1);
    const answer = await fetch(url, { method: 'HEAD' });
    expect([answer.status, await answer.text()]).toEqual([429, '']);
  });

  it('comes at once, and closes the connection, where an upload is still on its way', async () => {
    const { url } = await serve(limit({ rate: { requests: 1, per: 5_000 } }));
    await statuses(url, 1);
    const text = await new Promise<string>((resolve) => {
      let all = '';
      const socket = connect(Number(new URL(url).port), '127.0.0.1', () =>
        socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbegun'),
      );
      socket.on('data', (data) => (all += data));
      socket.on('close', () => resolve(all));
    });
    expect(text).toMatch(/^HTTP\/1\.1 429 Too Many Requests\r\n/);
    expect(text).toMatch(/\r\nConnection: close\r\n/);
  });

  it('is told in the log of the session once in a minute, and as an event of the service itself each time', async () => {
    const clock = new TestClock();
    const refused: unknown[] = [];
    onTestFinished(onEvent('sessionkit:visit.refused', (payload) => refused.push(payload)));
    const { url, log } = await serve(limit({ rate: { requests: 1, per: 2_000 }, now: () => clock.now() }));
    await statuses(url, 4);
    expect(log).toEqual(['notice requests are refused: more than 1 in 2 s']);
    await clock.advance(60_000);
    await statuses(url, 3);
    expect(log).toHaveLength(2);
    expect(refused).toEqual(Array(5).fill({ service: 'shop', code: 'too_many' }));
  });
});

describe('the concurrency', () => {
  it('lets as many requests be under way as it says, and the next one when one is over, answered or cut', async () => {
    const held: ServerResponse[] = [];
    const filter = limit({ concurrency: 2 });
    const { url, log } = await serve(filter, (response) => held.push(response));
    const leave = new AbortController();
    const first = fetch(url);
    const second = fetch(url, { signal: leave.signal });
    second.catch(() => {});
    await expect.poll(() => held.length).toBe(2);
    const refused = await fetch(url);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    expect(log).toEqual(['notice requests are refused: more than 2 at a time']);
    expect(filter.diagnostics?.()).toEqual({
      passed: 2,
      refused_by_concurrency: 1,
      refused_by_rate: 0,
      running: 2,
    });
    held[0]?.end('late');
    expect(await (await first).text()).toBe('late');
    leave.abort();
    await expect(second).rejects.toThrow();
    await expect.poll(() => filter.diagnostics?.().running).toBe(0);
    const more = [fetch(url), fetch(url)];
    await expect.poll(() => held.length).toBe(4);
    for (const response of held.slice(2)) response.end('more');
    expect((await Promise.all(more)).map(({ status }) => status)).toEqual([200, 200]);
  });

  it('is given back by a request whose handling fails, and a refused request takes nothing of the rate', async () => {
    const clock = new TestClock();
    let fails = true;
    const filter = limit({
      rate: { requests: 3, per: 1_000 },
      concurrency: 1,
      now: () => clock.now(),
    });
    const { url } = await serve(filter, (response) => {
      if (fails) throw new Error('broken');
      return response.end('passed');
    });
    await expect(fetch(url)).rejects.toThrow();
    fails = false;
    expect(await statuses(url, 3)).toEqual([200, 200, 429]);
    expect(filter.diagnostics?.()).toMatchObject({ passed: 3, running: 0, refused_by_rate: 1 });
  });
});

it('counts for each session alone', async () => {
  const filter = limit({ rate: { requests: 1, per: 60_000 }, concurrency: 1 });
  const [one, other] = [await serve(filter), await serve(filter)];
  expect(await statuses(one.url, 2)).toEqual([200, 429]);
  expect(await statuses(other.url, 2)).toEqual([200, 429]);
});

it.each([
  [{}, 'rate or concurrency'],
  [{ rate: { requests: 0 } }, 'rate.requests'],
  [{ rate: { requests: 1.5 } }, 'rate.requests'],
  [{ rate: { requests: 1, per: 0 } }, 'rate.per'],
  [{ rate: { requests: 1, per: Number.POSITIVE_INFINITY } }, 'rate.per'],
  [{ concurrency: -1 }, 'concurrency'],
])('refuses the limits %j, with what is wrong', (options, what) => {
  expect(() => limit(options)).toThrow(SessionError);
  expect(() => limit(options)).toThrow(what);
});
