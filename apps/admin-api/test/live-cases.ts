// What documents tell of what sessions do and hold, as cases: they run over the API, and over variants of it that are broken on purpose.
import { type Backend, createSessionManager, type SessionId } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { expect, onTestFinished } from 'vitest';
import { type SessionResource, sessionDocument, sessionsDocument } from '../src/schemas-sessions.js';
import type { ApiCase } from './feed-cases.js';
import { BASIC, errorsOf, type Fixture, openVisit } from './fixture.js';
import { connection, holds } from './holding.js';

const KEPT = { kept: () => ({ statements: 5, lines: 3 }) };
const CIPHER = 'TLS_AES_256_GCM_SHA384';
const { signal } = new AbortController();

/** Another process on the store of the first one. */
function another({ environment, backend }: Pick<Fixture, 'environment'> & { readonly backend: Backend }) {
  const manager = createSessionManager({ environment, ...KEPT });
  manager.service('web', { backend, transports: [cookie({ name: 'web' })], autoCreate: true });
  onTestFinished(() => manager.close());
  return manager;
}

const web = ({ manager }: Pick<Fixture, 'manager'>) => {
  const service = manager.services.get('web');
  if (service === undefined) throw new Error('no service');
  return service;
};

async function shown(f: Fixture, id: string, as?: typeof BASIC) {
  return sessionDocument.parse(await (await f.ask('GET', `/v1/sessions/${id}`, { as })).json());
}

const attributes = async (f: Fixture, id: string, as?: typeof BASIC) =>
  (await shown(f, id, as)).data.attributes;

async function listed(f: Fixture, query = '', as?: typeof BASIC) {
  return sessionsDocument.parse(await (await f.ask('GET', `/v1/sessions?${query}`, { as })).json());
}

/** What processes that are not here have told the store. */
const announce = (
  f: Fixture,
  process: string,
  id: SessionId,
  since: number,
  detail: object,
  lease = 10_000,
) => f.backend.announce(process, [{ id, process, since, detail: { ...detail } }], lease, signal);

export const liveCases: readonly ApiCase[] = [
  {
    name: 'requests of all processes are told, newest first and running ones too, in the list as well',
    async run(make) {
      const f = await make({}, KEPT);
      const { id, token } = await f.start();
      const other = another(f);
      const visit = await openVisit(other, token);
      const first = web({ manager: other }).note(visit, 'POST /cart?item');
      await f.environment.advance(120);
      first?.answered('server1');
      await f.environment.advance(30);
      first?.end();
      web(f).note(await openVisit(f.manager, token), 'GET /slow');
      await f.environment.advance(2_000);
      const { queries } = await attributes(f, id);
      expect(queries).toEqual([
        { command: 'GET', received: '2026-06-01T12:00:00.150Z', responses: [], statement: 'GET /slow' },
        {
          command: 'POST',
          completed: '2026-06-01T12:00:00.150Z',
          received: '2026-06-01T12:00:00.000Z',
          responses: [{ duration: 120, server: 'server1' }],
          statement: 'POST /cart?item',
        },
      ]);
      expect((await listed(f)).data[0]?.attributes?.queries).toEqual(queries);
    },
  },
  {
    name: 'the log is told of all processes, oldest first, and no more of it than is kept',
    async run(make) {
      const f = await make({}, KEPT);
      const { id } = await f.start();
      const other = another(f);
      // It knows the clock of the store by then.
      await other.health();
      for (const message of ['one', 'two', 'three']) {
        f.manager.environment.log({ level: 'info', service: 'web', session: id, message });
        await f.environment.advance(50);
      }
      other.environment.log({ level: 'warning', service: 'web', session: id, message: 'from there' });
      await f.environment.advance(2_000);
      const { log } = await attributes(f, id);
      expect(log).toEqual([
        `2026-06-01 12:00:00.050Z   info   : (${id}) (web); two`,
        `2026-06-01 12:00:00.100Z   info   : (${id}) (web); three`,
        `2026-06-01 12:00:00.150Z   warning: (${id}) (web); from there`,
      ]);
      expect((await listed(f)).data[0]?.attributes?.log).toEqual(log);
    },
  },
  {
    name: 'a request over which its process has died is not shown as running for ever',
    async run(make) {
      const f = await make({}, KEPT);
      const { id, token } = await f.start();
      const other = another(f);
      web({ manager: other }).attach(
        holds({ connections: [connection('s', 1)], ioActivity: 0, buffered: 0 }, id),
      );
      web({ manager: other }).note(await openVisit(other, token), 'GET /');
      await f.environment.advance(60_000);
      expect((await attributes(f, id)).queries).toHaveLength(1);
      // What a killed process leaves behind: entries in the journal, and nobody who holds the session.
      const [link] = await f.backend.present([id], signal);
      await f.backend.announce(link?.process ?? '', [], 1, signal);
      expect((await attributes(f, id)).queries).toEqual([]);
    },
  },
  {
    name: 'what a session does is for admins, and for others only when that is configured; what they do not see is named',
    async run(make) {
      for (const basicSeesActivity of [false, true]) {
        const f = await make({ basicSeesActivity }, KEPT);
        const { id, token } = await f.start();
        web(f).note(await openVisit(f.manager, token), 'GET /private');
        f.manager.environment.log({ level: 'info', service: 'web', session: id, message: 'secret' });
        const seen = basicSeesActivity ? 1 : 0;
        const one = await shown(f, id, BASIC);
        const list = await listed(f, 'page[size]=5', BASIC);
        for (const { queries, log } of [one.data.attributes, list.data[0]?.attributes ?? one.data.attributes])
          expect([queries.length, log.length]).toEqual([seen, seen]);
        expect(one.meta.unknown).toEqual(basicSeesActivity ? [] : ['log', 'queries']);
        expect(list.meta.unknown.includes('queries')).toBe(!basicSeesActivity);
        expect((await attributes(f, id)).queries).toHaveLength(1);
        // Nor by a filter.
        const filter = 'filter=/attributes/queries/0/command=eq("GET")';
        expect((await listed(f, filter, BASIC)).data).toHaveLength(seen);
        expect((await listed(f, filter)).data).toHaveLength(1);
      }
    },
  },
  {
    name: 'what processes hold is united: connections, activity, memory, and who has held it for longest',
    async run(make) {
      const f = await make();
      const { id } = await f.start();
      const parts = (held: SessionResource['attributes']) => [
        held.connections,
        held.io_activity,
        held.memory.connection_buffers,
        held.thread,
      ];
      expect(parts(await attributes(f, id))).toEqual([[], 0, { total: 0 }, undefined]);
      web(f).attach(holds({ connections: [connection('a', 2, CIPHER)], ioActivity: 4, buffered: 20 }, id));
      const theirs = { connections: [connection('b', 9), connection('a', 12)], ioActivity: 3, buffered: 100 };
      await announce(f, 'another', id, 1, { ...theirs, pid: 7 });
      await announce(f, 'a third', id, 2e12, { connections: [], ioActivity: 1, buffered: 1, pid: 8 });
      const held = await attributes(f, id);
      const connections = [
        { server: 'a', connection_id: 2, cipher: CIPHER },
        { server: 'a', connection_id: 12, cipher: '' },
        { server: 'b', connection_id: 9, cipher: '' },
      ];
      const expected = [connections, 8, { total: 121 }, 7];
      expect(parts(held)).toEqual(expected);
      expect([held.memory.data, held.memory.total]).toEqual([41, 41 + 121]);
      const list = await listed(f);
      expect(list.data.map(({ attributes: row }) => parts(row as SessionResource['attributes']))).toEqual([
        expected,
      ]);
      expect(list.meta.unknown).toEqual(['memory/data', 'memory/total']);
      // With its lease a process vanishes that says nothing any more.
      await f.environment.advance(10_001);
      expect((await attributes(f, id)).connections).toEqual([connections[0]]);
    },
  },
  {
    name: 'the connections of a session in the draft form are those of all processes, with what was counted of each',
    async run(make) {
      const f = await make();
      const { id } = await f.start();
      const counts = { reads: 5, readBytes: 1_205, writes: 2, writtenBytes: 310, bufferedWrites: 4 };
      const counted = { ...counts, highWaterEvents: 3, lowWaterEvents: 1 };
      const connections = [connection('a', 1, '', counted)];
      await announce(f, 'another', id, 1, { connections, ioActivity: 0, buffered: 0, pid: 7 });
      web(f).attach(holds({ connections: [connection('b', 2)], ioActivity: 0, buffered: 0 }, id));
      const rows = (await (await f.ask('GET', `/sessions/${id}/connections`)).json()) as { server: string }[];
      expect(rows.map(({ server }) => server).sort()).toEqual(['/servers/a', '/servers/b']);
      expect(rows.find(({ server }) => server === '/servers/a')).toEqual({
        role: 'Backend Request Handler',
        server: '/servers/a',
        service: '/services/web',
        state: 'Connected',
        statistics: {
          buffered_writes: 4,
          high_water_events: 3,
          low_water_events: 1,
          read_bytes: 1_205,
          reads: 5,
          writes: 2,
          written_bytes: 310,
        },
      });
    },
  },
  {
    name: 'why filters are not open is told, of any process, each reason once',
    async run(make) {
      const f = await make();
      const { id } = await f.start();
      expect(await attributes(f, id)).not.toHaveProperty('pending');
      const held = { connections: [], ioActivity: 0, buffered: 0, pid: 7 };
      for (const [process, pending] of [
        ['one', 'the disk is full'],
        ['two', 'the disk is full'],
        ['three', 'there is no filter "gone"'],
      ] as const)
        await announce(f, process, id, 1, { ...held, pending });
      const pending = 'the disk is full; there is no filter "gone"';
      expect((await attributes(f, id)).pending).toBe(pending);
      expect((await listed(f)).data[0]?.attributes).toMatchObject({ pending });
    },
  },
  {
    name: 'a store that fails is a 503, and no empty answer',
    async run(make) {
      for (const verb of ['read', 'present'] as const) {
        const f = await make({}, KEPT);
        const { id } = await f.start();
        Object.assign(f.backend, { [verb]: () => Promise.reject(new Error('gone')) });
        for (const path of [`/v1/sessions/${id}`, '/v1/sessions', '/v1/sessions?page[size]=1']) {
          const response = await f.ask('GET', path);
          expect([path, response.status]).toEqual([path, 503]);
          expect(await errorsOf(response)).toHaveLength(1);
        }
        const { status } = await f.ask('GET', `/sessions/${id}/connections`);
        expect(status).toBe(verb === 'present' ? 503 : 200);
      }
    },
  },
];
