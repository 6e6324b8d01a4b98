// What the event feed promises, as cases: they run over the API, and over variants of it that are broken on purpose.
import { setTimeout as pause } from 'node:timers/promises';
import { events, type SessionId } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { expect } from 'vitest';
import { ENDS } from '../src/event-stream.js';
import { sessionEvent } from '../src/schemas-events.js';
import { type Frame, reading } from './event-reader.js';
import { ADMIN, BASIC, type Fixture, fixture, openVisit, visitRequest } from './fixture.js';

/** Makes what a case is about: the API as it is, or as it is broken. */
type Make = (...given: Parameters<typeof fixture>) => Promise<Fixture>;

export interface ApiCase {
  readonly name: string;
  run(make: Make): Promise<void>;
}

const operator = { name: 'olga' };
const { signal } = new AbortController();

/** Reads the feed; answers what has come when all is told that happened so far. */
async function follow(f: Fixture, query = '', as = ADMIN) {
  const response = await f.ask('GET', `/v1/sessions/events?${query}`, { as });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  const reader = await reading(response.body);
  const frames = reader.follow();
  const settled = async (): Promise<readonly Frame[]> => {
    await pause(5);
    await f.environment.advance(1_000);
    await pause(5);
    return frames();
  };
  return { ...reader, settled, data: async () => (await settled()).map(({ data }) => data) };
}

const at = (second: string) => `2026-06-01T12:${second}.000Z`;

export const feedCases: readonly ApiCase[] = [
  {
    name: 'what happens here is told once, in order and numbered, with no secret',
    async run(make) {
      const f = await make();
      const reader = await follow(f);
      const { id, token } = await f.start();
      const visit = await openVisit(f.manager, token);
      await visit.session.login('ann');
      const fields = await visit.finish({ status: 200, cacheControl: undefined });
      visit.close();
      const [, cookies = ''] = fields.find(([name]) => name.toLowerCase() === 'set-cookie') ?? [];
      const loggedIn = /^web=([^;]+)/.exec(cookies)?.[1] ?? '';
      await f.environment.advance(61_000);
      const again = await openVisit(f.manager, loggedIn);
      expect(await again.session.rotate()).toBe('rotated');
      await again.finish({ status: 200, cacheControl: undefined });
      again.close();
      await f.manager.alter(id, { parameters: { log_info: true } }, operator);
      await f.manager.restartAll(operator);
      await f.manager.end(id, operator);
      // Whose it was is asked of the store.
      await pause(50);
      const refused = await f.manager.services.get('web')?.open(visitRequest({}, `web=${loggedIn}`));
      expect(refused?.refusal).toBeDefined();
      const frames = await reader.settled();
      const of = { id, service: 'web', user: 'ann', elsewhere: false };
      const then = at('01:01');
      expect(frames.map(({ data }) => data)).toEqual([
        { event: 'created', at: at('00:00'), id, service: 'web', elsewhere: false },
        { event: 'changed', at: at('00:00'), ...of, version: 2 },
        { event: 'login', at: at('00:00'), ...of, epoch: 1 },
        { event: 'changed', at: then, ...of, version: 3 },
        { event: 'rotated', at: then, ...of },
        { event: 'changed', at: then, ...of, version: 4 },
        { event: 'altered', at: then, ...of, by: 'olga', what: 'altered' },
        { event: 'restarted', at: then, service: 'web', by: 'olga', elsewhere: false },
        { event: 'ended', at: then, ...of, by: 'olga', cause: 'killed' },
        { event: 'refused', at: then, service: 'web', elsewhere: false, code: expect.any(String) },
      ]);
      expect(frames.map((frame) => Number(frame.id))).toEqual(frames.map((_, i) => i + 1));
      for (const { event, data } of frames) expect(sessionEvent.parse(data).event).toBe(event);
      for (const secret of [token, loggedIn]) expect(reader.seen.text).not.toContain(secret.slice(28));
    },
  },
  {
    name: 'what other processes do is told once, as far as the store gives notice of it',
    async run(make) {
      const f = await make();
      const { id } = await f.start({ user: 'ann' });
      // What a process of its own would publish to nobody here.
      const theirs = f.backend.share();
      const reader = await follow(f);
      const [record] = await theirs.load([id], signal);
      if (record === undefined || record instanceof Error) throw new Error('not stored');
      const version = record.version + 1;
      const parameters = { log_info: true };
      await theirs.save({ ...record, version, writes: ['x.1'], parameters }, signal);
      const how = { at: f.environment.now(), cause: 'logout', by: undefined, keepUntil: 2e12 } as const;
      await theirs.end([id], how, signal);
      await pause(50);
      await f.environment.advance(500);
      const of = { id, service: 'web', user: 'ann', elsewhere: true };
      const when = '2026-06-01T12:00:00.500Z';
      expect(await reader.data()).toEqual([
        { event: 'changed', at: when, ...of, version },
        { event: 'ended', at: when, ...of, cause: 'logout' },
      ]);
    },
  },
  {
    name: 'what happens to sessions of another manager in the process is not told',
    async run(make) {
      const f = await make();
      const other = await fixture();
      other.manager.service('more', {
        backend: other.backend,
        transports: [cookie({ name: 'more' })],
        autoCreate: true,
      });
      const reader = await follow(f);
      // Ids are drawn alike in both: the second one is only there.
      await other.start({ service: 'more' });
      const { id } = await other.start({ service: 'more' });
      await other.manager.end(id, operator);
      await f.start();
      expect((await reader.data()).map(({ event, service }) => [event, service])).toEqual([
        ['created', 'web'],
      ]);
    },
  },
  {
    name: 'only what is asked for is told: by event, session, user, service and all of it',
    async run(make) {
      const wanted: Readonly<Record<string, (bob: SessionId) => readonly [string, readonly string[]]>> = {
        event: () => ['event=altered', ['altered bob', 'altered eve']],
        events: () => ['event=altered,ended', ['altered bob', 'altered eve', 'ended bob', 'ended eve']],
        user: () => ['user=eve&event=altered,ended', ['altered eve', 'ended eve']],
        session: (bob) => [`id=${bob}&event=altered,ended`, ['altered bob', 'ended bob']],
        service: () => ['service=web&event=ended', ['ended bob', 'ended eve']],
        'another service': () => ['service=other', []],
        all: (bob) => [`service=web&user=bob&id=${bob}&event=ended`, ['ended bob']],
      };
      for (const query of Object.values(wanted)) {
        const f = await make();
        const ids = [(await f.start({ user: 'bob' })).id, (await f.start({ user: 'eve' })).id] as const;
        const [text, expected] = query(ids[0]);
        const reader = await follow(f, text);
        for (const id of ids) await f.manager.alter(id, { parameters: { log_info: true } }, operator);
        for (const id of ids) await f.manager.end(id, operator);
        expect((await reader.data()).map(({ event, user }) => `${event} ${user}`)).toEqual(expected);
      }
    },
  },
  {
    name: 'what clients do is told to those who may see activity',
    async run(make) {
      for (const basicSeesActivity of [false, true]) {
        const f = await make({ basicSeesActivity });
        const reader = await follow(f, '', BASIC);
        const { id } = await f.start();
        await f.manager.alter(id, { parameters: { log_info: true } }, operator);
        await f.manager.end(id, operator);
        expect((await reader.data()).map(({ event }) => event)).toEqual(
          basicSeesActivity ? ['created', 'changed', 'altered', 'ended'] : ['created', 'altered', 'ended'],
        );
      }
    },
  },
  {
    name: 'a reader who is too slow is told so and sent away, and nothing more is kept for it',
    async run(make) {
      const f = await make();
      const response = await f.ask('GET', '/v1/sessions/events');
      const reader = await reading(response.body);
      const { id } = await f.start();
      for (let i = 0; i < 1_000; i++)
        await f.manager.alter(id, { parameters: { log_info: i % 2 === 0 } }, operator);
      const last = [{ id: undefined, event: 'end', data: { reason: 'slow', detail: ENDS.slow } }];
      expect(await reader.whole()).toEqual(last);
    },
  },
  {
    name: 'a reader who has gone is forgotten, and nobody listens for nobody',
    async run(make) {
      const f = await make();
      const before = events.created.hasSubscribers;
      const reader = await reading((await f.ask('GET', '/v1/sessions/events')).body);
      expect(events.created.hasSubscribers).toBe(true);
      await reader.cancel();
      expect(events.created.hasSubscribers).toBe(before);
    },
  },
  {
    name: 'a reader whose credentials count no longer is told so and sent away',
    async run(make) {
      const f = await make();
      const reader = await follow(f, '', BASIC);
      await f.users.passwd(BASIC.name, 'another one');
      await f.environment.advance(15_000);
      // Its password is hashed once more.
      for (let i = 0; i < 100 && !reader.seen.text.includes('event: end'); i++) await pause(5);
      const { id } = await f.start();
      await f.manager.end(id, operator);
      expect(await reader.data()).toEqual([{ reason: 'denied', detail: ENDS.denied }]);
    },
  },
];
