import { appendFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { memory } from '@sessionkit/backend-memory';
import { createSessionManager, type SessionManager } from '@sessionkit/session-core';
import { type TestEnvironment, testEnvironment } from '@sessionkit/testkit';
import { cookie } from '@sessionkit/transport-cookie';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type AccessEntry, type AdminApi, createAdminApi, createUsers, serveAdmin } from '../src/index.js';
import { UserError } from '../src/users.js';
import { openApiDocument } from './conform.js';
import { ADMIN, BASIC, basic, CHEAP, startSession, temporaryFolder } from './fixture.js';
import { type FuzzReport, fuzz, type Target } from './fuzz.js';

const LONG = process.env.SESSIONKIT_LONG === '1';
const REQUESTS = LONG ? 100_000 : 1_000;
/** Measured: a few hundred bytes in a short run, less in a long one. A leak of one answer or one request each is far more. */
const GROWTH_MAX = 2_048;
const LIVING = 15;

interface Mutation {
  readonly manager?: (manager: SessionManager, environment: TestEnvironment) => void;
  readonly api?: (api: AdminApi) => AdminApi;
}

/** The API on a real socket, over sessions, users and secrets that can be told again wherever they turn up. */
async function target(mutation: Mutation = {}): Promise<Target> {
  const environment = testEnvironment({ random: 'real' });
  const manager = createSessionManager({ environment });
  const backend = memory({ now: () => environment.now() });
  manager.service('web', { backend, transports: [cookie({ name: 'web' })], autoCreate: true });
  onTestFinished(() => manager.close());
  mutation.manager?.(manager, environment);

  const usersFile = join(await temporaryFolder(), 'users.json');
  const users = createUsers({ file: usersFile, cost: CHEAP, environment });
  await users.add(ADMIN.name, ADMIN.password, 'admin');
  await users.add(BASIC.name, BASIC.password, 'basic');
  let access: AccessEntry[] = [];
  const made = createAdminApi({ manager, users, environment, access: (entry) => access.push(entry) });
  const api = mutation.api?.(made) ?? made;
  const server = await serveAdmin({ api, port: 0, environment });
  onTestFinished(async () => void (await server.close(0)));

  const auth = { headers: { authorization: basic(ADMIN.name, ADMIN.password) } };
  const { meta } = (await (await fetch(`${server.url}/v1/auth`, auth)).json()) as { meta: { token: string } };
  // Tokens of later requests are others.
  await environment.advance(1_000);
  const sessions: string[] = [];
  const tokens: string[] = [];
  async function refill(): Promise<void> {
    const { items } = await manager.list({ limit: 500 });
    sessions.splice(0, sessions.length, ...items.map(({ id }) => id));
    while (sessions.length < LIVING) {
      const { id, token } = await startSession(manager, { user: sessions.length % 2 ? 'ann' : undefined });
      sessions.push(id);
      if (tokens.length < 5) tokens.push(token);
    }
    for (const { name, password, account } of [
      { ...BASIC, account: 'basic' },
      { name: 'bob', password: 'bob has one', account: 'basic' },
    ] as const) {
      if ((await users.find(name)) === undefined)
        await users.add(name, password, account).catch(ignoreMeanwhile);
      else if (name === BASIC.name && (await users.verify(name, password)) === undefined)
        await users.passwd(name, password).catch(ignoreMeanwhile);
    }
    // Failures of passwords lapse, and so do sessions.
    await environment.advance(10_000);
  }
  await refill();

  const stored = JSON.parse(await readFile(usersFile, 'utf8')) as { users: { password: string }[] };
  const key = (await readFile(`${usersFile}.key`, 'utf8')).trim();
  const secretOf = (token: string) => token.slice(token.indexOf('.') + 1);
  return {
    port: server.port,
    document: await openApiDocument(),
    material: {
      sessions: () => sessions,
      authorizations: [
        auth.headers.authorization,
        auth.headers.authorization,
        basic(BASIC.name, BASIC.password),
        `Bearer ${meta.token}`,
      ],
      secrets: [meta.token, ...tokens],
    },
    markers: [
      ADMIN.password,
      BASIC.password,
      auth.headers.authorization.slice(6),
      meta.token.slice(meta.token.lastIndexOf('.') + 1),
      key,
      ...stored.users.map(({ password }) => password.slice(password.lastIndexOf('$') + 1)),
      ...tokens.map(secretOf),
      // What `startSession` puts into each session.
      'private to the application',
      // Of the users that are added and altered.
      'fuzzed password',
      'another fuzzed one',
    ],
    logs() {
      const seen = { access, process: environment.entries.splice(0) };
      access = [];
      return seen;
    },
    refill,
  };
}

/** A request of the run was first: it has added the user, or removed it. */
function ignoreMeanwhile(error: unknown): void {
  if (!(error instanceof UserError)) throw error;
}

function tell(report: FuzzReport): void {
  const { requests, reached, validated, growth, milliseconds, table } = report;
  const share = ((reached / requests) * 100).toFixed(0);
  const line = `fuzz: ${requests} requests in ${(milliseconds / 1000).toFixed(1)} s, ${share} % reached a handler, ${validated} answers validated, ${growth.toFixed(0)} bytes left by a request, ${report.problems.length} problems`;
  const rows = new Map<string, string[]>();
  for (const [key, count] of [...table].sort()) {
    const [action = '', status = ''] = key.split(' ');
    rows.set(action, [...(rows.get(action) ?? []), `${status}: ${count}`]);
  }
  const lines = [...rows].map(([action, counts]) => `  ${action.padEnd(28)} ${counts.join('  ')}`);
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  console.log([line, ...lines].join('\n'));
  if (folder !== undefined) appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
}

describe('requests of any kind', () => {
  test('are answered in good order, and leave nothing behind', { timeout: 1_800_000 }, async () => {
    const report = await fuzz(await target(), 4, REQUESTS);
    tell(report);
    expect(report.problems).toEqual([]);
    expect(report.reached / report.requests).toBeGreaterThanOrEqual(0.3);
    expect(report.growth).toBeLessThan(GROWTH_MAX);
    // Each request that is HTTP is in the access log.
    const logged = [...report.table.values()].reduce((sum, count) => sum + count, 0);
    expect(logged / report.requests).toBeGreaterThan(0.9);
  });
});

describe('the fuzz run catches', { timeout: 120_000 }, () => {
  const COUNT = 600;

  test('a crash', async () => {
    const manager: Mutation['manager'] = (one) => {
      const { get } = one;
      let calls = 0;
      one.get = (id) => (++calls % 20 === 0 ? Promise.reject(new TypeError('planted')) : get.call(one, id));
    };
    const { problems } = await fuzz(await target({ manager }), 1, COUNT);
    expect(problems).toContainEqual(expect.stringContaining(': 500 '));
  });

  test('a crash outside all handlers', async () => {
    const api: Mutation['api'] = (one) => ({
      ...one,
      fetch: (request, peer) =>
        request.url.includes('filter') ? Promise.reject(new Error('planted')) : one.fetch(request, peer),
    });
    const { problems } = await fuzz(await target({ api }), 1, COUNT);
    expect(problems).toContainEqual(expect.stringContaining(': 500 '));
  });

  test('a leak of memory', async () => {
    const kept: string[] = [];
    const api: Mutation['api'] = (one) => ({
      ...one,
      fetch(request, peer) {
        kept.push(Buffer.alloc(4_096, kept.length).toString('latin1'));
        return one.fetch(request, peer);
      },
    });
    const { growth } = await fuzz(await target({ api }), 1, COUNT);
    expect(growth).toBeGreaterThan(GROWTH_MAX);
  });

  test('a listener that is left behind', async () => {
    const added: (() => void)[] = [];
    onTestFinished(() => added.forEach((listener) => void process.off('SIGUSR2', listener)));
    const api: Mutation['api'] = (one) => ({
      ...one,
      fetch(request, peer) {
        if (added.length < 5) {
          const listener = () => {};
          process.on('SIGUSR2', listener);
          added.push(listener);
        }
        return one.fetch(request, peer);
      },
    });
    const { problems } = await fuzz(await target({ api }), 1, COUNT);
    expect(problems).toContainEqual(expect.stringMatching(/^left behind: \d+ listeners/));
  });

  test('session data in an answer', async () => {
    const manager: Mutation['manager'] = (one) => {
      const { get } = one;
      one.get = async (id) => {
        const found = await get.call(one, id);
        return found && { ...found, client: { ...found.client, ip: 'private to the application' } };
      };
    };
    const { problems } = await fuzz(await target({ manager }), 1, COUNT);
    expect(problems).toContainEqual(expect.stringMatching(/^marker \d+ in the answer/));
  });

  test('a credential in a log', async () => {
    const manager: Mutation['manager'] = (one, environment) => {
      const { list } = one;
      one.list = (query) => {
        environment.log({ level: 'info', message: `listed for ${ADMIN.password}` });
        return list.call(one, query);
      };
    };
    const { problems } = await fuzz(await target({ manager }), 1, COUNT);
    expect(problems).toContainEqual(expect.stringMatching(/^marker 0 in the process log/));
  });
});
