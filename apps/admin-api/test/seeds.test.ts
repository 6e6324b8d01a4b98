import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { memory } from '@sessionkit/backend-memory';
import { createSessionManager, type Filter } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { createAdminApi, serveAdmin } from '../src/index.js';
import { ADMIN, basic, fixture, startSession } from './fixture.js';
import { connection, holds } from './holding.js';
import draft from './seeds/draft.json' with { type: 'json' };
import maxscale6 from './seeds/maxscale-6.json' with { type: 'json' };
import maxscale21 from './seeds/maxscale-21.06.json' with { type: 'json' };
import maxscaleV1 from './seeds/maxscale-v1.json' with { type: 'json' };

/** A request that a document shows, and the answer to it. */
interface Example {
  readonly what: string;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly status: number;
  readonly answer?: unknown;
}

/** The fifth document, of SXAPI's session manager, has samples in YAML only, which run elsewhere. */
const DOCUMENTS: Readonly<Record<string, readonly Example[]>> = {
  'MaxScale 6': maxscale6,
  'MaxScale 21.06': maxscale21,
  'early draft': draft,
  'first /v1': maxscaleV1,
};
const V1 = ['MaxScale 6', 'MaxScale 21.06', 'first /v1'];
const OLDER = ['MaxScale 6', 'first /v1'];
const ONE = /^Get a session$/;

interface Settled {
  /** `+` ours has it beyond the example, `-` it is missing in ours, `~` its type differs, `?` ours is empty, so that there is nothing to compare. */
  readonly difference: string;
  readonly documents: readonly string[];
  /** Default: each example of these documents that shows sessions. */
  readonly what?: RegExp;
  readonly why: string;
}

/** Below `session` stands the path in the document of a session, alone or in a list. Each of these must be found where it says so, and nothing else. */
const SETTLED: readonly Settled[] = [
  {
    difference: '~ session.id: number -> string',
    documents: ['early draft'],
    what: /^Get (?:a session|all sessions)$/,
    why: 'Ids are strings that begin with a letter, in the draft form too.',
  },
  ...['read_bytes', 'written_bytes'].map((member) => ({
    difference: `+ connections[].statistics.${member}: number`,
    documents: ['early draft'],
    what: /connections/,
    why: 'Bytes are counted beside the operations.',
  })),
  {
    difference: '+ meta: object',
    documents: V1,
    why: 'What cannot be told is named in the document.',
  },
  {
    difference: '+ session.attributes.seconds_alive: number',
    documents: V1,
    why: 'Later documents of the same API have it.',
  },
  {
    difference: '+ session.attributes.memory: object',
    documents: V1,
    why: 'Later documents of the same API have it.',
  },
  {
    difference: '+ session.attributes.data: object',
    documents: V1,
    what: ONE,
    why: 'Operators see the names of what a session keeps.',
  },
  {
    difference: '+ session.attributes.client.connection_attributes: object',
    documents: ['MaxScale 6', 'MaxScale 21.06'],
    why: 'Later documents of the same API have it.',
  },
  {
    difference: '+ session.attributes.parameters.log_debug: boolean',
    documents: ['MaxScale 21.06'],
    why: 'The same document lets it be set.',
  },
  ...['io_activity: number', 'thread: number'].map((member) => ({
    difference: `+ session.attributes.${member}`,
    documents: V1,
    why: 'Later documents of the same API have it.',
  })),
  ...['parameters: object', 'port: number'].map((member) => ({
    difference: `+ session.attributes.${member}`,
    documents: OLDER,
    why: 'The document that came after these has it.',
  })),
  ...['client: object', 'connections: array', 'log: array', 'queries: array'].map((member) => ({
    difference: `+ session.attributes.${member}`,
    documents: ['first /v1'],
    why: 'The documents that came after this one have it.',
  })),
  {
    difference: '+ session.relationships.services.links.related: string',
    documents: ['first /v1'],
    why: 'The documents that came after this one have it.',
  },
];

const results: ('as written' | 'settled' | 'failed')[] = [];

afterAll(() => {
  const count = (result: (typeof results)[number]) => results.filter((one) => one === result).length;
  const line = `seeds: ${results.length} examples, ${count('as written')} as written, ${count('settled')} with a settled difference, ${count('failed')} failed`;
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder) appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
  console.log(line);
});

/** The API on a real port, over a service and filters of the names that the documents use, with two sessions. */
async function start() {
  const { environment, users } = await fixture();
  const filter: Filter = { type: 'test', open: () => ({ handle: (_exchange, next) => next(), close() {} }) };
  const names = ['my-cache-filter', 'my-log-filter'];
  const manager = createSessionManager({
    environment,
    filters: new Map(names.map((name) => [name, filter])),
  });
  onTestFinished(() => manager.close());
  manager.service('RW-Split-Router', {
    backend: memory({ now: () => environment.now() }),
    transports: [cookie()],
    autoCreate: true,
  });
  const connections = [connection('server1', 233), connection('server2', 134)];
  manager.services.get('RW-Split-Router')?.attach(holds({ connections, ioActivity: 4, buffered: 0 }));
  const client = { ip: '::ffff:127.0.0.1', cipher: '' };
  const { id } = await startSession(manager, { service: 'RW-Split-Router', user: 'maxuser', client });
  await environment.advance(1_000);
  await startSession(manager, { service: 'RW-Split-Router', user: 'skysql', client });

  const server = await serveAdmin({ api: createAdminApi({ manager, users, environment }), port: 0 });
  onTestFinished(async () => {
    await server.close(0);
  });
  const ask = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(`${server.url}${path.replace(':id', id)}`, {
      method,
      headers: { authorization: basic(ADMIN.name, ADMIN.password) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      text,
      document: text === '' ? undefined : (JSON.parse(text) as unknown),
    };
  };
  return { id, ask };
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** Where `ours` has other member names or JSON types than `example`. */
function differences(example: unknown, ours: unknown, path: string): string[] {
  const [type, own] = [typeOf(example), typeOf(ours)];
  if (type !== own) return [`~ ${path}: ${type} -> ${own}`];
  if (Array.isArray(example) && Array.isArray(ours)) {
    if (example.length === 0) return [];
    if (ours.length === 0) return [`? ${path}[]`];
    return [...new Set(ours.flatMap((item: unknown) => differences(example[0], item, `${path}[]`)))];
  }
  if (type !== 'object') return [];
  const [theirs, our] = [example as Record<string, unknown>, ours as Record<string, unknown>];
  const at = (name: string) => (path === '' ? name : `${path}.${name}`);
  return [
    ...Object.keys(theirs).flatMap((name) =>
      name in our ? differences(theirs[name], our[name], at(name)) : [`- ${at(name)}`],
    ),
    ...Object.keys(our)
      .filter((name) => !(name in theirs))
      .map((name) => `+ ${at(name)}: ${typeOf(our[name])}`),
  ];
}

/** One way to say where a member of a session stands. */
function inSession(difference: string, { what, path }: Example): string {
  if (path.endsWith('/connections')) return difference.replace(/^(. )/, '$1connections');
  if (path.startsWith('/v1')) return difference.replace(/^(. )data(?:\[\])?\./, '$1session.');
  return what === 'Get all sessions'
    ? difference.replace(/^(. )\[\]\./, '$1session.')
    : difference.replace(/^(. )/, '$1session.');
}

const settledFor = (document: string, { what }: Example) =>
  SETTLED.filter(
    (one) => one.documents.includes(document) && (one.what ?? /^Get.* sessions?$/).test(what),
  ).map(({ difference }) => difference);

/** Notes how it went, whatever `check` throws. */
async function noted(check: () => Promise<'as written' | 'settled'>): Promise<void> {
  let result: (typeof results)[number] = 'failed';
  try {
    result = await check();
  } finally {
    results.push(result);
  }
}

describe.each(Object.entries(DOCUMENTS))('the examples of %s', (document, examples) => {
  it.each(examples)('$what: $method $path', (example) =>
    noted(async () => {
      const { ask } = await start();
      const { status, text, document: ours } = await ask(example.method, example.path, example.body);
      expect(status).toBe(example.status);
      if (example.answer === undefined) {
        expect(text).toBe('');
        return 'as written';
      }
      const found = differences(example.answer, ours, '').map((one) => inSession(one, example));
      expect(found.sort()).toEqual(settledFor(document, example).sort());
      return found.length === 0 ? 'as written' : 'settled';
    }),
  );
});

describe('what the documents say of their requests', () => {
  it('log levels are set, and the others stay', async () => {
    const { ask } = await start();
    const [parameters] = maxscale6.filter(({ what }) => what.includes('log levels'));
    await ask('PATCH', '/v1/sessions/:id', parameters?.body);
    expect((await ask('GET', '/v1/sessions/:id')).document).toMatchObject({
      data: {
        attributes: {
          parameters: { log_info: true, log_error: false, log_notice: false, log_warning: false },
        },
      },
    });
  });

  it('filters are set in their order', async () => {
    const { ask } = await start();
    const [filters] = maxscale6.filter(({ what }) => what.includes('filters'));
    await ask('PATCH', '/v1/sessions/:id', filters?.body);
    const { document } = await ask('GET', '/v1/sessions/:id');
    const { data } = document as { data: { relationships: { filters: { data: unknown } } } };
    expect(data.relationships.filters.data).toEqual([
      { id: 'my-cache-filter', type: 'filters' },
      { id: 'my-log-filter', type: 'filters' },
    ]);
  });

  it('a closed session is gone, in both forms', async () => {
    const { ask } = await start();
    await ask('DELETE', '/sessions/:id');
    for (const path of ['/sessions/:id', '/v1/sessions/:id', '/sessions/:id/connections'])
      expect((await ask('GET', path)).status).toBe(404);
    expect((await ask('DELETE', '/sessions/:id')).status).toBe(404);
  });
});

describe('the comparison', () => {
  it.each([
    [{ a: 1 }, { a: 'x' }, ['~ a: number -> string']],
    [{ a: 1 }, {}, ['- a']],
    [{}, { a: null }, ['+ a: null']],
    [{ a: [{ b: 1 }] }, { a: [] }, ['? a[]']],
    [{ a: [] }, { a: [1] }, []],
    [{ a: [{ b: 1 }] }, { a: [{ b: 1 }, { b: {} }] }, ['~ a[].b: number -> object']],
    [{ a: {} }, { a: [] }, ['~ a: object -> array']],
    [{ a: true, b: 1.5 }, { b: 2, a: false }, []],
  ])('of %j and %j finds %j', (example, ours, found) => {
    expect(differences(example, ours, '')).toEqual(found);
  });

  it('has a reason for each difference that is settled, and each is of a document that is there', () => {
    for (const { documents, why } of SETTLED) {
      expect(why).toMatch(/^[A-Z].{20,}\.$/);
      expect(Object.keys(DOCUMENTS)).toEqual(expect.arrayContaining([...documents]));
    }
  });
});
