import type { Held, SessionActivity, SessionId } from '@sessionkit/session-core';
import { type ApiMutant, before } from './feed-mutants.js';
import { ADMIN, basic, type Fixture } from './fixture.js';

interface Row {
  readonly attributes: Record<string, unknown>;
}

interface Document {
  readonly data: Row | readonly Row[];
  readonly meta: { unknown: string[] };
}

/** Sends other documents than those that there are. */
const sending = (name: string, change: (document: Document, isList: boolean) => void) =>
  before(name, (fetch) => async (request, peer) => {
    const response = await fetch(request, peer);
    const isSessions = /\/v1\/sessions(?:\/s\w+)?$/.test(new URL(request.url).pathname);
    if (!isSessions || request.method !== 'GET' || response.status !== 200) return response;
    const document = (await response.json()) as Document;
    change(document, Array.isArray(document.data));
    const { status, headers } = response;
    return new Response(JSON.stringify(document), { status, headers });
  });

/** Shows other attributes of each session. */
const showing = (name: string, change: (attributes: Record<string, unknown>) => void) =>
  sending(name, ({ data }) => {
    for (const { attributes } of [data].flat()) change(attributes);
  });

const reversed = (what: string, order: string) =>
  showing(`tells ${what} ${order} first`, (attributes) => {
    attributes[what] = [...(attributes[what] as readonly unknown[])].reverse();
  });

/** Knows something else of what processes hold. */
const holding = (name: string, change: (held: readonly Held[]) => readonly Held[]): ApiMutant => ({
  name,
  breaks({ manager }) {
    const sound = manager.holdings.bind(manager);
    const holdings: Fixture['manager']['holdings'] = async (ids) =>
      new Map([...(await sound(ids))].map(([id, held]) => [id, change(held)]));
    Object.assign(manager, { holdings });
  },
});

/** Knows something else of what sessions do. */
const doing = (name: string, change: (activity: SessionActivity) => SessionActivity): ApiMutant => ({
  name,
  breaks({ manager }) {
    const sound = manager.activity.bind(manager);
    const activity: Fixture['manager']['activity'] = async (ids) =>
      new Map([...(await sound(ids))].map(([id, one]) => [id, change(one)]));
    Object.assign(manager, { activity });
  },
});

const each = (name: string, change: (held: Held) => Partial<Held>) =>
  holding(name, (held) => held.map((one) => ({ ...one, ...change(one) })));

/** Takes a fault for nothing. */
const empty = (verb: 'activity' | 'holdings'): ApiMutant => ({
  name: `answers nothing where ${verb} fail`,
  breaks({ manager }) {
    const sound: (ids: readonly SessionId[]) => Promise<ReadonlyMap<SessionId, unknown>> =
      manager[verb].bind(manager);
    Object.assign(manager, {
      [verb]: (ids: readonly SessionId[]) => sound(ids).catch(() => new Map()),
    });
  },
});

export const liveMutants: readonly ApiMutant[] = [
  reversed('queries', 'oldest'),
  showing('leaves out requests under way', (attributes) => {
    const queries = attributes.queries as readonly { completed?: string }[];
    attributes.queries = queries.filter(({ completed }) => completed !== undefined);
  }),
  showing('takes requests under way for done', (attributes) => {
    for (const query of attributes.queries as { completed?: string; received: string }[])
      query.completed ??= query.received;
  }),
  doing('does not know which server answered', (activity) => ({
    ...activity,
    statements: activity.statements.map((one) => ({ ...one, responses: [] })),
  })),
  doing('does not know how long that took', (activity) => ({
    ...activity,
    statements: activity.statements.map((one) => ({
      ...one,
      responses: one.responses.map(({ server }) => ({ server, duration: 0 })),
    })),
  })),
  sending('tells of requests in one session only', ({ data }, isList) => {
    if (isList) for (const { attributes } of [data].flat()) attributes.queries = [];
  }),
  reversed('log', 'newest'),
  doing('tells a line too many', ({ statements, lines }) => ({
    statements,
    lines: lines[0] === undefined ? [] : [lines[0], ...lines],
  })),
  doing('does not know the level of a line', ({ statements, lines }) => ({
    statements,
    lines: lines.map((line) => ({ ...line, level: 'info' })),
  })),
  {
    name: 'takes any process for alive',
    breaks({ manager }) {
      const sound = manager.holdings.bind(manager);
      const holdings: Fixture['manager']['holdings'] = async (ids) => {
        const [found, activity] = [await sound(ids), await manager.activity(ids)];
        return new Map(
          [...found].map(([id, held]) => {
            const noted = (activity.get(id)?.statements ?? []).map((one) => one.id.split('.')[0] ?? '');
            const alive = noted.map((process): Held => ({ ...NOBODY, process }));
            return [id, [...held, ...alive]];
          }),
        );
      };
      Object.assign(manager, { holdings });
    },
  },
  before('lets everybody see what an admin sees', (fetch) => (request, peer) => {
    const headers = new Headers(request.headers);
    headers.set('authorization', basic(ADMIN.name, ADMIN.password));
    return fetch(new Request(request, { headers }), peer);
  }),
  sending('does not name what it leaves out', ({ meta }) => void meta.unknown.splice(0)),
  holding('knows of one process only', (held) => held.slice(-1)),
  holding('adds a process up twice', (held) => [...held, ...held]),
  each('forgets what waits', () => ({ buffered: 0 })),
  each('forgets what was done lately', () => ({ ioActivity: 0 })),
  each('knows no ciphers', ({ connections }) => ({
    connections: connections.map((one) => ({ ...one, cipher: '' })),
  })),
  each('names the process that came last', ({ since }) => ({ since: -since })),
  each('takes reads for writes', ({ connections }) => ({
    connections: connections.map((one) => {
      const { reads, writes, readBytes, writtenBytes, ...rest } = one.statistics;
      const statistics = {
        ...rest,
        reads: writes,
        writes: reads,
        readBytes: writtenBytes,
        writtenBytes: readBytes,
      };
      return { ...one, statistics };
    }),
  })),
  each('takes high water for low', ({ connections }) => ({
    connections: connections.map((one) => {
      const { highWaterEvents, lowWaterEvents } = one.statistics;
      const statistics = {
        ...one.statistics,
        highWaterEvents: lowWaterEvents,
        lowWaterEvents: highWaterEvents,
      };
      return { ...one, statistics };
    }),
  })),
  {
    name: 'keeps what a process has told for ever',
    breaks: ({ backend }) => {
      const sound = backend.announce.bind(backend);
      const announce: typeof backend.announce = (process, links, ttl, signal) =>
        sound(process, links, ttl * 1_000, signal);
      Object.assign(backend, { announce });
    },
  },
  showing('says nothing of filters that are not open', (attributes) => void delete attributes.pending),
  holding('knows one reason only', (held) =>
    held.map((one, i) => ({ ...one, pending: i === 0 ? one.pending : undefined })),
  ),
  empty('activity'),
  empty('holdings'),
];

const NOBODY: Omit<Held, 'process'> = {
  pid: 1,
  since: 3e12,
  pending: undefined,
  connections: [],
  ioActivity: 0,
  buffered: 0,
};
