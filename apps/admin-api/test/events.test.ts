import { setTimeout as sleep } from 'node:timers/promises';
import type { SessionId } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ENDS, eventStream } from '../src/event-stream.js';
import { Feed } from '../src/feed.js';
import { createAdminApi, serveAdmin } from '../src/index.js';
import { sessionEvent } from '../src/schemas-events.js';
import { ADMIN, BASIC, basic, errorsOf, type Fixture, fixture, openVisit } from './fixture.js';

interface Frame {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A reader that has begun to read. */
async function reading(body: ReadableStream<Uint8Array> | null) {
  if (body === null) throw new Error('no body');
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const seen = { text: '', done: false };
  const more = async () => {
    const { done, value } = await reader.read();
    seen.done = done;
    if (value !== undefined) seen.text += decoder.decode(value, { stream: true });
  };
  await more();
  onTestFinished(() => reader.cancel());
  const frames = (): Frame[] =>
    [...seen.text.matchAll(/(?:id: (\d+)\n)?event: (\w+)\ndata: (.+)\n\n/g)].map(
      ([, id, event = '', data = '']) => ({
        id,
        event,
        data: JSON.parse(data) as Frame['data'],
      }),
    );
  return {
    seen,
    frames,
    cancel: () => reader.cancel(),
    more,
    async events(count: number): Promise<readonly Frame[]> {
      while (frames().length < count && !seen.done) await more();
      return frames();
    },
    async whole(): Promise<readonly Frame[]> {
      while (!seen.done) await more();
      return frames();
    },
  };
}

async function watch(f: Fixture, query = '', as = ADMIN) {
  const response = await f.ask('GET', `/v1/sessions/events?${query}`, { as });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  return reading(response.body);
}

const { signal } = new AbortController();
const operator = { name: 'olga' };

describe('the stream of events', () => {
  test('tells what happens to sessions, each with its payload, in order and numbered', async () => {
    const f = await fixture();
    const reader = await watch(f);
    expect(reader.seen.text).toBe('retry: 3000\n:\n\n');
    const { id, token } = await f.start();
    const visit = await openVisit(f.manager, token);
    await visit.session.login('ann');
    await visit.finish({ status: 200, cacheControl: undefined });
    visit.close();
    await f.environment.advance(61_000);
    await f.manager.alter(id, { parameters: { log_info: true } }, operator);
    await f.manager.end(id, operator);
    await f.manager.services.get('web')?.open({
      method: 'GET',
      path: '/',
      secure: false,
      host: undefined,
      upgrade: false,
      untrustedProxy: false,
      header: (name) => (name === 'cookie' ? `web=${token}` : undefined),
      query: () => [],
      client: () => ({ ip: '192.0.2.7', port: 1, cipher: '', userAgent: '', attributes: {} }),
    });
    const frames = await reader.events(7);
    const of = { id, service: 'web', user: 'ann', elsewhere: false };
    const at = '2026-06-01T12:00:00.000Z';
    expect(frames.map(({ data }) => data)).toEqual(
      expect.arrayContaining([
        { event: 'created', at, id, service: 'web', elsewhere: false },
        { event: 'changed', at, ...of, version: 2 },
        { event: 'login', at, ...of, epoch: 1 },
        { event: 'changed', at: '2026-06-01T12:01:01.000Z', ...of, version: 3 },
        { event: 'altered', at: '2026-06-01T12:01:01.000Z', ...of, by: 'olga', what: 'altered' },
        { event: 'ended', at: '2026-06-01T12:01:01.000Z', ...of, by: 'olga', cause: 'killed' },
        {
          event: 'refused',
          at: '2026-06-01T12:01:01.000Z',
          service: 'web',
          elsewhere: false,
          code: expect.any(String),
        },
      ]),
    );
    expect(frames.map((frame) => frame.id)).toEqual(['1', '2', '3', '4', '5', '6', '7']);
    for (const { event, data } of frames) expect(sessionEvent.parse(data).event).toBe(event);
    expect(reader.seen.text).not.toContain(token.slice(28));
    // The notices of what this process did are no second news.
    await f.environment.advance(2_000);
    expect(reader.frames()).toHaveLength(7);
  });

  test.each<[string, (id: SessionId) => string, readonly string[]]>([
    [
      'by name of the event',
      () => 'event=created,ended',
      ['created bob', 'created eve', 'ended bob', 'ended eve'],
    ],
    ['by user', () => 'user=eve&event=altered,ended', ['altered eve', 'ended eve']],
    ['by session', (id) => `id=${id}&event=altered,ended`, ['altered bob', 'ended bob']],
    ['by service', () => 'service=web&event=ended', ['ended bob', 'ended eve']],
    ['by another service', () => 'service=other', []],
    ['by all of it', (id) => `service=web&user=bob&id=${id}&event=ended`, ['ended bob']],
  ])('can be filtered %s', async (_by, query, expected) => {
    const f = await fixture();
    const bob = await f.start({ user: 'bob' });
    const late = query(bob.id).includes('created') ? undefined : await f.start({ user: 'eve' });
    const ids = [bob.id, late?.id];
    const reader = await watch(f, query(bob.id));
    if (late === undefined) {
      await f.start({ user: 'bob' });
      ids[0] = (await f.manager.list({ user: 'bob' })).items.find(({ id }) => id !== bob.id)?.id;
      ids[1] = (await f.start({ user: 'eve' })).id;
    }
    for (const id of ids) {
      if (id === undefined) throw new Error('no session');
      await f.manager.alter(id, { parameters: { log_info: true } }, operator);
      await f.manager.end(id, operator);
    }
    const seen = (await reader.events(expected.length)).map(({ event, data }) => `${event} ${data.user}`);
    expect(seen).toEqual(expected);
    await f.environment.advance(2_000);
    expect(reader.frames()).toHaveLength(expected.length);
  });

  test('tells what other processes do, as far as the store gives notice of it', async () => {
    const f = await fixture();
    const { id } = await f.start({ user: 'ann' });
    // What a process of its own would publish to nobody here.
    const theirs = f.backend.share();
    const reader = await watch(f);
    const [record] = await theirs.load([id], signal);
    if (record === undefined || record instanceof Error) throw new Error('not stored');
    const version = record.version + 1;
    const parameters = { log_info: true };
    expect(await theirs.save({ ...record, version, writes: ['x.1'], parameters }, signal)).toBe(true);
    await theirs.end(
      [id],
      { at: f.environment.now(), cause: 'logout', by: undefined, keepUntil: 2e12 },
      signal,
    );
    await new Promise((resolve) => setImmediate(resolve));
    await f.environment.advance(500);
    const of = { id, service: 'web', user: 'ann', elsewhere: true };
    expect((await reader.events(2)).map(({ data }) => data)).toEqual([
      { event: 'changed', at: '2026-06-01T12:00:00.500Z', ...of, version },
      { event: 'ended', at: '2026-06-01T12:00:00.500Z', ...of, cause: 'logout' },
    ]);
  });

  test('is for everybody who may look, without what clients do unless that may be seen', async () => {
    for (const basicSeesActivity of [false, true]) {
      const f = await fixture({ basicSeesActivity });
      const reader = await watch(f, '', BASIC);
      const { id } = await f.start();
      await f.manager.alter(id, { parameters: { log_info: true } }, operator);
      await f.manager.end(id, operator);
      const expected = ['created', 'changed', 'altered', 'ended'].filter(
        (name) => basicSeesActivity || name !== 'changed',
      );
      expect((await reader.events(expected.length)).map(({ event }) => event)).toEqual(expected);
    }
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
  test('tells nothing of managers of others in its process', async () => {
    const f = await fixture();
    const other = await fixture();
    other.manager.service('more', {
      backend: other.backend,
      transports: [cookie({ name: 'more' })],
      autoCreate: true,
    });
    const reader = await watch(f);
    // Ids are drawn alike in both: the second one is only there.
    await other.start({ service: 'more' });
    const { id } = await other.start({ service: 'more' });
    await other.manager.end(id, operator);
    await f.start();
    await sleep(10);
    expect((await reader.events(1)).map(({ data }) => data)).toMatchObject([
      { event: 'created', service: 'web' },
    ]);
  });

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
