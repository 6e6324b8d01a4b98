import { memory } from '@sessionkit/backend-memory';
import { SessionError, type SessionRecord } from '@sessionkit/session-core';
import { TestClock } from '@sessionkit/testkit';
import { cookie } from '@sessionkit/transport-cookie';
import { describe, expect, test } from 'vitest';
import { Browser, request, visit, world, wrap } from './harness.js';

describe('the cross-site guard', () => {
  test.each([
    ['shop.example', 'https://shop.example:443', 200],
    ['shop.example:443', 'https://shop.example', 200],
    ['shop.example:80', 'http://SHOP.example', 200],
    ['[::1]:8080', 'http://[::1]:8080', 200],
    ['[::1]:8080', 'http://[::1]', 403],
    ['shop.example', 'https://shop.example.evil.example', 403],
    ['shop.example', 'https://evil.example/shop.example', 403],
    ['shop.example', 'https://shop.example@evil.example', 403],
    ['shop.example', 'shop.example', 403],
    ['shop.example', '', 403],
    ['shop.example', 'https://shop.example, https://evil.example', 403],
    ['shop.example', 'https://shop.example.', 403],
    ['shop.example', 'https://xshop.example', 403],
  ])('on %j judges Origin %j', async (host, origin, status) => {
    const { service } = world();
    expect((await visit(service, { method: 'POST', host, headers: { origin } })).status).toBe(status);
  });

  test.each(['same-origin, cross-site', '', 'Same-Origin'])(
    'takes Sec-Fetch-Site %j for foreign',
    async (site) => {
      const { service } = world();
      const headers = { 'sec-fetch-site': site, origin: 'https://shop.example' };
      expect((await visit(service, { method: 'POST', headers })).status).toBe(403);
    },
  );
});

test('a list over two backends shows every session once, in order, whatever the page', async () => {
  const { service, manager, clock } = world();
  const other = manager.service('news', {
    backend: memory({ now: () => clock.now() }),
    transports: [cookie()],
    autoCreate: true,
  });
  for (let i = 0; i < 20; i++) {
    await clock.advance(1);
    await visit(i % 3 === 0 ? other : service);
  }
  for (const limit of [1, 3, 7, 20]) {
    const ids: string[] = [];
    let after: Awaited<ReturnType<typeof manager.list>>['next'];
    do {
      const page = await manager.list({ limit, after });
      ids.push(...page.items.map(({ id }) => id));
      after = page.next;
    } while (after !== undefined);
    expect(ids).toEqual([...new Set(ids)].sort());
    expect(ids).toHaveLength(20);
  }
});

test('a change that waits behind a save that fails is stored all the same', async () => {
  const clock = new TestClock();
  const real = memory({ now: () => clock.now() });
  const broken: Record<string, unknown> = {};
  const { service } = world({ backend: wrap(real, broken) }, { clock });
  const browser = new Browser(service);
  await browser.visit();
  const parts = request({ headers: { cookie: browser.cookie } });
  const [leader, follower] = [await service.open(parts), await service.open(parts)];
  let fail = () => {};
  const failing = new Promise<void>((resolve) => {
    fail = resolve;
  });
  broken.save = async () => {
    await failing;
    broken.save = (record: SessionRecord, signal: AbortSignal) => real.save(record, signal);
    throw new SessionError('BACKEND_FAILED', 'refused');
  };
  leader.session.set('a', 1);
  follower.session.set('b', 1);
  const outcomes = Promise.allSettled([leader.session.commit(), follower.session.commit()]);
  fail();
  expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  await browser.look((session) => expect(session.all()).toEqual({ b: 1 }));
});

test('names of Object.prototype are keys like all others', async () => {
  const { service } = world();
  const browser = new Browser(service);
  const names = ['constructor', 'toString', 'hasOwnProperty', 'prototype'];
  await browser.look((session) => {
    for (const name of names) {
      expect(session.get(name)).toBeUndefined();
      session.merge({ [name]: { [name]: 1 } });
    }
  });
  await browser.look((session) => {
    for (const name of names) expect(session.get(name)).toEqual({ [name]: 1 });
  });
  expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('1');
});
