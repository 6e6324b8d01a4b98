import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionId } from '@sessionkit/session-core';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ENDS, eventStream } from '../src/event-stream.js';
import { Feed } from '../src/feed.js';
import { createAdminApi, serveAdmin } from '../src/index.js';
import { sessionEvent } from '../src/schemas-events.js';
import { reading } from './event-reader.js';
import { ADMIN, BASIC, basic, errorsOf, type Fixture, fixture } from './fixture.js';

async function watch(f: Fixture, query = '', as = ADMIN) {
  const response = await f.ask('GET', `/v1/sessions/events?${query}`, { as });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  return reading(response.body);
}

const operator = { name: 'olga' };

describe('the stream of events', () => {
  test('is for those who have credentials', async () => {
    const f = await fixture();
    expect((await f.ask('GET', '/v1/sessions/events', { as: null })).status).toBe(401);
  });

  test.each([
    ['event=born', 'event: must be names of events, separated by commas: created,'],
    ['event=created,,x', 'event: must be names of events'],
    ['id=1', 'id: is not a session id'],
  ])('with %s is a 400', async (query, detail) => {
    const f = await fixture();
    const response = await f.ask('GET', `/v1/sessions/events?${query}`);
    expect(response.status).toBe(400);
    expect(await errorsOf(response)).toEqual([expect.stringContaining(detail)]);
  });

  test('shows that it lives, and ends when its reader may read no longer', async () => {
    const f = await fixture();
    const reader = await watch(f, '', BASIC);
    await f.environment.advance(15_000);
    await reader.more();
    expect(reader.seen.text).toBe('retry: 3000\n:\n\n:\n\n');
    await f.users.passwd(BASIC.name, 'another one');
    await f.environment.advance(15_000);
    expect(await reader.whole()).toEqual([
      { id: undefined, event: 'end', data: { reason: 'denied', detail: ENDS.denied } },
    ]);
  });

  test('ends with the drain of its server, which does not wait for it', async () => {
    const f = await fixture();
    const api = createAdminApi({ manager: f.manager, users: f.users, environment: f.environment });
    const server = await serveAdmin({ api, port: 0 });
    const headers = { authorization: basic(ADMIN.name, ADMIN.password) };
    const open = async () => reading((await fetch(`${server.url}/v1/sessions/events`, { headers })).body);
    const readers = [await open(), await open()];
    const begun = performance.now();
    expect(await server.close()).toBe(true);
    expect(performance.now() - begun).toBeLessThan(5_000);
    for (const reader of readers)
      expect(await reader.whole()).toMatchObject([{ event: 'end', data: { reason: 'stopping' } }]);
  });

  test('of a reader who goes is over, and costs nothing before it is read', async () => {
    const f = await fixture();
    const stops: string[] = [];
    const { watch: watching } = f.manager;
    let begun = 0;
    f.manager.watch = (listener) => {
      begun++;
      const stop = watching.call(f.manager, listener);
      return () => {
        stops.push('watch');
        stop();
      };
    };
    expect((await f.ask('HEAD', '/v1/sessions/events')).status).toBe(200);
    expect(begun).toBe(0);
    const readers = [await watch(f), await watch(f)];
    expect(begun).toBe(1);
    await readers[0]?.cancel();
    expect(stops).toEqual([]);
    await readers[1]?.cancel();
    expect(stops).toEqual(['watch']);
    await watch(f);
    expect(begun).toBe(2);
  });
});

test('the README names each event with its members', () => {
  const readme = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');
  const table =
    /\| event \| members besides `at` and `elsewhere` \|\n.*\n((?:\|.*\n)+)/.exec(readme)?.[1] ?? '';
  const same: string[] = [];
  const told: Record<string, string> = {};
  for (const [, names = '', text = ''] of table.matchAll(/^\| ([^|]+) \| ([^|]+) \|$/gm)) {
    const [members = ''] = text.split(': ');
    const own = [...members.matchAll(/`(\w+)`/g)].map(([, name = '']) => name);
    if (members.startsWith('the same')) own.push(...same);
    else same.splice(0, same.length, ...own);
    for (const [, name = ''] of names.matchAll(/`(\w+)`/g)) told[name] = own.sort().join();
  }
  const there = sessionEvent.options.map(({ shape }) => [
    shape.event.value,
    Object.keys(shape)
      .filter((name) => !['event', 'at', 'elsewhere'].includes(name))
      .sort()
      .join(),
  ]);
  expect(told).toEqual(Object.fromEntries(there));
});

describe('a slow reader', () => {
  test('is dropped with an event that says so, and holds no more than a bounded number of events', async () => {
    const f = await fixture();
    const feed = new Feed(f.manager, f.environment);
    let told = 0;
    const stream = eventStream({
      feed,
      environment: f.environment,
      wants: () => {
        told++;
        return true;
      },
      mayStay: async () => true,
    });
    const reader = await reading(stream);
    const { id } = await f.start();
    for (let i = 0; i < 2_000; i++)
      await f.manager.alter(id, { parameters: { log_info: i % 2 === 0 } }, operator);
    const dropped = told;
    expect(dropped).toBeLessThan(2_500);
    await f.manager.alter(id, { parameters: {} }, operator);
    expect(told).toBe(dropped);
    expect(await reader.whole()).toEqual([
      { id: undefined, event: 'end', data: { reason: 'slow', detail: ENDS.slow } },
    ]);
  });

  test('of a busy store keeps no other from reading', async () => {
    const f = await fixture();
    const slow = await watch(f);
    const quick = await watch(f, 'event=ended');
    const { id } = await f.start();
    for (let i = 0; i < 2_000; i++)
      await f.manager.alter(id, { parameters: { log_info: i % 2 === 0 } }, operator);
    await f.manager.end(id, operator);
    expect(await quick.events(1)).toMatchObject([{ event: 'ended', data: { id } }]);
    expect((await slow.whole()).map(({ event }) => event)).toEqual(['end']);
  });
});

describe('the feed', () => {
  test('tells of an end whose session cannot be looked up now, without whose it was', async () => {
    const f = await fixture();
    const { id } = await f.start({ user: 'ann' });
    const reader = await watch(f);
    f.manager.owner = () => Promise.reject(new Error('down'));
    await f.manager.end(id, operator);
    const [frame] = await reader.events(1);
    expect(frame?.data).toEqual({
      at: '2026-06-01T12:00:00.000Z',
      event: 'ended',
      id,
      by: 'olga',
      cause: 'killed',
      elsewhere: false,
    });
  });

  test('says when it had to leave out notices', async () => {
    const f = await fixture();
    await watch(f);
    const listeners: ((change: {
      id: SessionId;
      version: number;
      what: 'saved';
      cause: undefined;
    }) => void)[] = [];
    f.manager.watch = (listener) => {
      listeners.push(listener);
      return () => undefined;
    };
    const feed = new Feed(f.manager, f.environment);
    onTestFinished(feed.join({ tell: () => undefined, end: () => undefined }));
    for (let i = 0; i < 10_005; i++)
      listeners[0]?.({
        id: 's01k6y3v9qxm2r8t4w7z5b1c0d3' as SessionId,
        version: 1,
        what: 'saved',
        cause: undefined,
      });
    await f.environment.advance(250);
    expect(f.environment.entries.map(({ message }) => message)).toContain(
      'admin API: the event feed has left out 5 notices of other processes',
    );
  });
});
