import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createSessionManager } from '@sessionkit/session-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { assembleAdminApi } from '../src/api.js';
import { type AdminApi, type AdminServer, createUsers, serveAdmin } from '../src/index.js';
import { listSource, type Resource } from '../src/query/collection.js';
import { sessionReads } from '../src/routes-sessions.js';
import { errorsDocument } from '../src/schemas.js';
import type { SessionDocuments } from '../src/session-source.js';
import { ADMIN, basic, CHEAP } from './fixture.js';

/** What MaxScale's own request and response code answered to a request about the six sessions of `doc.json`. */
interface Recorded {
  readonly group: string;
  readonly path: string;
  readonly status: number;
  readonly ids?: readonly string[];
  readonly errors?: readonly string[] | undefined;
  readonly resource?: unknown;
  readonly meta?: unknown;
  readonly links?: Readonly<Record<string, string>>;
}

/** What we answer instead. */
interface Corrected extends Partial<Recorded> {
  readonly why: string;
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(join(import.meta.dirname, 'vectors', name), 'utf8'));
const CASES = read('common-params.json') as readonly Recorded[];
const { data: ROWS } = read('doc.json') as { readonly data: readonly Resource[] };

const NUMBERS = 'an integer and a real are numbers alike, and compare';
const KINDS = 'values of different types have no order';
const PAST = 'there is nothing past the end';
const KEPT = 'links repeat the filter';
const LAST = 'the last page of nothing is the first, and links repeat the filter';

const BY_DEFECT: Readonly<Record<string, Corrected>> = {
  '?filter=id=le(2)': { ids: [], why: KINDS },
  '?filter=/attributes/idle=gt(3.0)': { ids: ['10', '3', '4', '5'], why: NUMBERS },
  '?filter=/attributes/idle=ge(3)': { ids: ['10', '2', '3', '4', '5'], why: NUMBERS },
  '?filter=/attributes/idle=lt(3)': { ids: ['1'], why: NUMBERS },
  '?filter=/attributes/io_activity=gt(2.5)': { ids: ['10', '3', '4', '5'], why: NUMBERS },
  '?filter=/attributes/io_activity=ge(2.5)': { ids: ['10', '3', '4', '5'], why: NUMBERS },
  '?filter=/attributes/io_activity=eq(2.0)': { ids: ['2'], why: NUMBERS },
  '?filter=/attributes/parameters/log_info=ge(true)': { ids: [], why: 'true and false have no order' },
  '?filter=/attributes/user=null': { status: 200, ids: ['10'], errors: undefined, why: 'null is JSON' },
  '?filter=/attributes/user=ge(%22u2%22)': { ids: ['2', '3', '4', '5'], why: KINDS },
  '?filter[attributes.idle]=gt(3.0)': { ids: ['10', '3', '4', '5'], why: NUMBERS },
  '?filter[attributes.idle]=gt(3)': { ids: ['10', '3', '4', '5'], why: NUMBERS },
  '?filter[attributes.client.connection_attributes.Mixed]=%22Case%22': {
    ids: ['1', '10', '2', '3', '4', '5'],
    why: 'a path is taken as it is written',
  },
  '?page[size]=100&page[number]=7': { ids: [], why: PAST },
  '?page[size]=2&filter[id]=gt(%222%22)': {
    links: {
      first: '/v1/sessions/?page%5Bsize%5D=2&page%5Bnumber%5D=0&filter%5Bid%5D=gt(%222%22)',
      last: '/v1/sessions/?page%5Bsize%5D=2&page%5Bnumber%5D=1&filter%5Bid%5D=gt(%222%22)',
      next: '/v1/sessions/?page%5Bsize%5D=2&page%5Bnumber%5D=1&filter%5Bid%5D=gt(%222%22)',
      self: '/v1/sessions/?page%5Bsize%5D=2&page%5Bnumber%5D=0&filter%5Bid%5D=gt(%222%22)',
    },
    why: KEPT,
  },
  '?page[size]=2&filter[id]=%22none%22': {
    links: {
      first: '/v1/sessions/?page%5Bsize%5D=2&page%5Bnumber%5D=0&filter%5Bid%5D=%22none%22',
      last: '/v1/sessions/?page%5Bsize%5D=2&page%5Bnumber%5D=0&filter%5Bid%5D=%22none%22',
      self: '/v1/sessions/?page%5Bsize%5D=2&page%5Bnumber%5D=0&filter%5Bid%5D=%22none%22',
    },
    why: LAST,
  },
  '?page[size]=1&filter[id]=%22none%22': {
    links: {
      first: '/v1/sessions/?page%5Bsize%5D=1&page%5Bnumber%5D=0&filter%5Bid%5D=%22none%22',
      last: '/v1/sessions/?page%5Bsize%5D=1&page%5Bnumber%5D=0&filter%5Bid%5D=%22none%22',
      self: '/v1/sessions/?page%5Bsize%5D=1&page%5Bnumber%5D=0&filter%5Bid%5D=%22none%22',
    },
    why: LAST,
  },
};

const SORTED = 'rows are sorted by id';
const BY_ORDER: Readonly<Record<string, Corrected>> = {
  '?page[size]=2': { ids: ['1', '10'], why: SORTED },
  '?page[size]=2&page[number]=1': { ids: ['2', '3'], why: SORTED },
  '?page[size]=4&page[number]=1': { ids: ['4', '5'], why: SORTED },
  '?page[size]=2x': { ids: ['1', '10'], why: SORTED },
  '/?page[size]=3': { ids: ['1', '10', '2'], why: SORTED },
  '//?page[size]=3': { ids: ['1', '10', '2'], why: SORTED },
  '?PAGE[SIZE]=2': { ids: ['1', '10'], why: SORTED },
  '?page[size]=2&page[size]=3': { ids: ['1', '10'], why: SORTED },
  '?page[size]=3': { ids: ['1', '10', '2'], why: SORTED },
};

/** The sessions of the recording in place of those of a manager. */
const documents: SessionDocuments = {
  isId: (id): id is string => /^\d+$/.test(id),
  async find(id) {
    const resource = ROWS.find((row) => row.id === id);
    return resource && { resource };
  },
  source: ({ links }) => listSource(links.sessions(), ROWS),
};

const passed = { 'as recorded': 0, 'by section 7': 0, 'by sort order': 0 };
const folder = mkdtempSync(join(tmpdir(), 'sessionkit-vectors-'));
let api: AdminApi;
let server: AdminServer;

beforeAll(async () => {
  const users = createUsers({ file: join(folder, 'users.json'), cost: CHEAP });
  await users.add(ADMIN.name, ADMIN.password, 'admin');
  const manager = createSessionManager();
  api = assembleAdminApi({ manager, users }, sessionReads(documents));
  server = await serveAdmin({ api, port: 0 });
});

afterAll(async () => {
  const failed = CASES.length - Object.values(passed).reduce((sum, n) => sum + n);
  const counts = Object.entries(passed).map(([how, n]) => `${n} ${how}`);
  const line = `${CASES.length}: ${counts.join(', ')}, ${failed} failed`;
  const report = process.env.SESSIONKIT_REPORT_DIR;
  if (report === undefined) console.log(line);
  else appendFileSync(join(report, 'summary.txt'), `${line}\n`);
  await server.close(0);
  rmSync(folder, { recursive: true, force: true });
});

/** The path as recorded, byte for byte; the early unversioned form of lists is another one here. */
const pathOf = ({ path }: Recorded) => (path.startsWith('/v1') ? path : `/v1${path}`);
const keyOf = (recorded: Recorded) => pathOf(recorded).replace('/v1/sessions', '');

async function ask(path: string, port: number) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const headers = { authorization: basic(ADMIN.name, ADMIN.password) };
    get({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    }).on('error', reject);
  });
}

interface Document {
  readonly data?: unknown;
  readonly errors?: readonly { readonly detail: string }[];
  readonly links?: Readonly<Record<string, string>>;
  readonly meta?: unknown;
}

async function check(recorded: Recorded, { port } = server): Promise<void> {
  const { status, body } = await ask(pathOf(recorded), port);
  expect(status).toBe(recorded.status);
  const document = JSON.parse(body) as Document;
  if (recorded.errors !== undefined) {
    expect(document.errors?.map(({ detail }) => detail)).toEqual(recorded.errors);
  } else if (recorded.resource !== undefined) {
    const { links, ...resource } = document.data as { readonly links: unknown };
    expect(resource).toEqual(recorded.resource);
    expect(links).toEqual({ self: 'http://h/v1/sessions/1/' });
  } else if (recorded.ids !== undefined) {
    expect((document.data as readonly Resource[]).map(({ id }) => id)).toEqual(recorded.ids);
    expect(document.meta).toEqual(recorded.meta);
  } else {
    // Recorded without a body; here a 404 says why.
    errorsDocument.parse(document);
  }
  if (recorded.links !== undefined) {
    const base = `http://127.0.0.1:${port}`;
    const links = Object.entries(recorded.links).map(([name, link]) => [
      name,
      base + link.replace(/^\/sessions/, '/v1/sessions'),
    ]);
    expect(document.links).toEqual(Object.fromEntries(links));
  }
}

const corrected = new Map([...Object.entries(BY_DEFECT), ...Object.entries(BY_ORDER)]);
const asRecorded = CASES.filter((recorded) => !corrected.has(keyOf(recorded)));

/** What is to be answered. */
function wanted(recorded: Recorded): Recorded {
  const correction = corrected.get(keyOf(recorded));
  if (correction !== undefined) return { ...recorded, ...correction };
  const { ids } = recorded;
  // The recording has rows in the order in which they came about.
  return ids === undefined ? recorded : { ...recorded, ids: [...ids].sort() };
}

describe('a recorded request', () => {
  test('stands in one table only, and every correction is of a recorded one and changes it', () => {
    expect(CASES).toHaveLength(118);
    expect([asRecorded.length, corrected.size]).toEqual([92, 26]);
    for (const [key, { why, ...change }] of corrected) {
      const found = CASES.filter((recorded) => keyOf(recorded) === key);
      expect(found.length).toBeGreaterThan(0);
      for (const recorded of found) expect({ ...recorded, ...change }).not.toEqual(recorded);
    }
  });

  test.each([
    ['filters', /^(?:filter=|filter(?:\[|%5B).*(?:\]|%5D)=)/i, 50],
    ['pages', /^page/i, 12],
    ['fields', /^fields\[sessions\]=[^,]/i, 13],
  ])('is answered wrongly by an API that knows no %s, and that is seen', async (_name, ignored, least) => {
    const without: AdminApi = {
      fetch(request, peer) {
        const [path, query = ''] = request.url.split('?');
        const rest = query.split('&').filter((parameter) => !ignored.test(parameter));
        return api.fetch(new Request(`${path}?${rest.join('&')}`, request), peer);
      },
    };
    const mutant = await serveAdmin({ api: without, port: 0 });
    onTestFinished(async () => void (await mutant.close(0)));
    const results = await Promise.allSettled(CASES.map((recorded) => check(wanted(recorded), mutant)));
    expect(results.filter(({ status }) => status === 'rejected').length).toBeGreaterThanOrEqual(least);
  });

  for (const recorded of asRecorded) {
    test(`is answered as recorded: ${recorded.path}`, async () => {
      await check(wanted(recorded));
      passed['as recorded']++;
    });
  }

  for (const [how, table] of [
    ['by section 7', BY_DEFECT],
    ['by sort order', BY_ORDER],
  ] as const) {
    for (const recorded of CASES) {
      const why = table[keyOf(recorded)]?.why;
      if (why === undefined) continue;
      test(`is answered otherwise, since ${why}: ${recorded.path}`, async () => {
        await check(wanted(recorded));
        passed[how]++;
      });
    }
  }
});
