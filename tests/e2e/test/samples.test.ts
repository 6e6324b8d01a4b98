import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { print } from '@sessionkit/test-stores/run';
import { afterAll, describe, expect, it } from 'vitest';
import { type App, OPERATOR, run, startApp, startUpstream } from './app.js';
import { type Answer, cookieOf, idOf, send } from './client.js';
import { type SampleStore, sampleStores } from './sample-stores.js';

/** How a sample's client is handed its token, and what it sends when it comes back. */
const carriers: Readonly<
  Record<string, (answer: Answer) => { token: string; headers: Record<string, string>; query: string }>
> = {
  cookie(answer) {
    const cookie = cookieOf(answer);
    expect(cookie).toMatch(/^sxapi-sess=/);
    return { token: cookie, headers: { cookie }, query: '' };
  },
  token({ headers }) {
    const token = String(headers['session-token']);
    return { token, headers: {}, query: `?sid=${token}` };
  },
  bearer({ headers: { authorization = '' } }) {
    return { token: authorization.replace('Bearer ', '='), headers: { authorization }, query: '' };
  },
};

interface Sample {
  readonly name: string;
  readonly carrier: keyof typeof carriers;
  /** What stands for each `...`, which means "and so on". */
  readonly andSoOn?: readonly string[] | undefined;
  /** Left out of the sample: the app says so, and what it takes instead. */
  readonly leftOut?: readonly string[] | undefined;
  /** The name under which the sample asks for its store, and what must be stored under the names that it gives. */
  readonly resource?: string | undefined;
  readonly stored?: ((id: string, now: number) => object) | undefined;
}

const HOUR = 3_600_000;
const around = (wanted: number) =>
  expect.toSatisfy((time: number | string | Date) => Math.abs(new Date(time).getTime() - wanted) < 60_000);
const NO_TRANSPORT = 'session.transport';
const NO_BACKEND = 'session.backend';

const inSql = (id: string, now: number) => ({
  token_sess: id,
  ip_sess: '127.0.0.1',
  start_sess: around(now),
  stop_sess: around(now + HOUR),
});

const tokenAndStop = (token: string, now: number) => ({ token, stopDate: around(now + HOUR) });

const samples: readonly Sample[] = [
  { name: 'main', carrier: 'cookie', andSoOn: ['cookie_name: sxapi-sess', 'max_sessions: 1000'] },
  { name: 'token', carrier: 'token', leftOut: [NO_BACKEND] },
  { name: 'cookie', carrier: 'cookie', andSoOn: ['httpOnly: true'], leftOut: [NO_BACKEND] },
  { name: 'bearer', carrier: 'bearer', leftOut: [NO_BACKEND] },
  { name: 'mysql', carrier: 'cookie', leftOut: [NO_TRANSPORT], resource: 'mysql-sample', stored: inSql },
  {
    name: 'postgres',
    carrier: 'cookie',
    leftOut: [NO_TRANSPORT],
    resource: 'postgres-sample',
    stored: inSql,
  },
  { name: 'memory', carrier: 'cookie', leftOut: [NO_TRANSPORT] },
  {
    name: 'couchbase',
    carrier: 'cookie',
    leftOut: [NO_TRANSPORT],
    resource: 'couchbase-sample',
    stored: (token, now) => ({
      token,
      ipAdress: '127.0.0.1',
      startDate: around(now),
      stopDate: around(now + HOUR),
    }),
  },
  {
    name: 'memcache',
    carrier: 'cookie',
    leftOut: [NO_TRANSPORT],
    resource: 'memcache-sample',
    stored: tokenAndStop,
  },
  {
    name: 'redis',
    carrier: 'cookie',
    leftOut: [NO_TRANSPORT],
    resource: 'redis-sample',
    stored: tokenAndStop,
  },
];

const folders: string[] = [];
const counts = { started: 0, visitedTwice: 0 };

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  print(`samples: ${counts.started} started, ${counts.visitedTwice} visited twice`);
});

/** A folder from which the packages are found, as where somebody installed them beside the configuration. */
function project(): string {
  const folder = mkdtempSync(join(import.meta.dirname, '..', '.app-'));
  folders.push(folder);
  return folder;
}

/** Greets the session that the gateway tells it of and counts its visits in it. Logs `ann` in under `/login`; under `/plain` it leaves the session alone. */
function greeting({ url = '/', headers }: IncomingMessage, response: ServerResponse): void {
  const data = headers['x-session-data'];
  const { n = 0 } = data === undefined ? {} : JSON.parse(Buffer.from(String(data), 'base64url').toString());
  const counted = Buffer.from(JSON.stringify({ n: n + 1 })).toString('base64url');
  if (url === '/login') response.setHeader('x-session-user', 'ann');
  if (url !== '/plain') response.setHeader('x-session-data', counted);
  const [id, user = null] = [headers['x-session-id'], headers['x-session-user']];
  response.end(JSON.stringify({ id, user, visit: n + 1 }));
}

/** What a sample needs around it to run. */
async function completed(sample: Sample, store: SampleStore | undefined): Promise<string> {
  const rest = [...(sample.andSoOn ?? [])];
  const written = readFileSync(join(import.meta.dirname, 'fixtures', `${sample.name}.yaml`), 'utf8');
  const session = written.replaceAll('...', () => rest.shift() ?? expect.fail('nothing stands for "..."'));
  expect(rest).toEqual([]);
  const resources = store === undefined ? '' : `resources: { ${sample.resource}: ${store.resource} }`;
  return session + surroundings(await startUpstream(greeting), resources);
}

const surroundings = (upstream: string, resources = '') => `
${resources}
servers: { up: { url: "${upstream}", steer: true } }
services: { api: { router: { type: proxy, servers: [up] } } }
listeners: { public: { service: api, port: 0 } }
admin: { listen: "127.0.0.1:0" }
`;

/** Starts it as somebody does who has written it, tables and all. */
async function started(yaml: string, store: SampleStore | undefined): Promise<App> {
  const cwd = project();
  if (store?.prepare !== undefined) {
    writeFileSync(join(cwd, 'sessionkit.yaml'), yaml);
    const { code, stdout } = await run(['sql', '--config', 'sessionkit.yaml'], { cwd });
    expect(code).toBe(0);
    await store.prepare(stdout);
  }
  return startApp(yaml, { cwd, args: ['--config', 'sessionkit.yaml'] });
}

/** Logs in, or is given a session where it is made without asking, comes back, and finds it; somebody without the token does not. */
async function visitTwice({ name, carrier }: Sample, app: App) {
  const [path, user] = name === 'main' ? ['/', null] : ['/login', 'ann'];
  const first = await send(`${app.public}${path}`);
  expect(first.status).toBe(200);
  expect(JSON.parse(first.body)).toMatchObject({ visit: 1 });
  expect('set-cookie' in first.headers).toBe(carrier === 'cookie');
  const { token, headers, query } = carriers[carrier]?.(first) ?? expect.fail();
  const id = idOf(token);
  const second = await send(`${app.public}/${query}`, { headers });
  expect(second.status).toBe(200);
  expect(JSON.parse(second.body)).toEqual({ id, user, visit: 2 });
  const stranger = JSON.parse((await send(`${app.public}/plain`)).body);
  expect(stranger).toMatchObject({ user: null, visit: 1 });
  expect(stranger.id).not.toBe(id);
  return { id, user, token };
}

const pathsOf = (stderr: string) =>
  [...stderr.matchAll(/\b(session\.(?:transport|backend)): no /g)].map(([, path]) => path);

describe("the samples of the SXAPI session manager's document, as written", () => {
  it.each(samples.map((sample) => [sample.name, sample] as const))(
    '%s starts, and who visits it twice finds the same session',
    async (name, sample) => {
      const store = sample.resource === undefined ? undefined : await sampleStores[name]?.();
      try {
        const app = await started(await completed(sample, store), store);
        counts.started += 1;
        expect(pathsOf(app.stderr)).toEqual(sample.leftOut ?? []);

        const begun = Date.now();
        const { id, user, token } = await visitTwice(sample, app);
        counts.visitedTwice += 1;

        const seen = await send(`${app.admin}/v1/sessions/${id}`, { headers: OPERATOR });
        const { data } = JSON.parse(seen.body) as { data: { id: string; attributes: { user?: string } } };
        expect([data.id, data.attributes.user ?? null]).toEqual([id, user]);
        if (store !== undefined) {
          const { named, all } = await store.look(id);
          expect(named).toMatchObject(sample.stored?.(id, begun) ?? {});
          expect(all).toContain(id);
          expect(all).not.toContain(token.split('.')[1]);
        }
        expect(await app.stop()).toBe(0);
      } finally {
        await store?.stop();
      }
    },
  );

  it('are ten', () => {
    expect(counts).toEqual({ started: 10, visitedTwice: 10 });
  });
});

it.each([
  ['a session that is false', 'session: false\n'],
  ['no session', ''],
])(
  'a configuration with %s is stateless: visits pass, no token is set, nothing is kept',
  async (_, session) => {
    const app = await started(session + surroundings(await startUpstream(greeting)), undefined);
    for (let visit = 1; visit <= 2; visit++) {
      const answer = await send(`${app.public}/plain`, { headers: { cookie: 'sxapi-sess=anything' } });
      expect(answer.status).toBe(200);
      expect(JSON.parse(answer.body)).toEqual({ id: '-', user: null, visit: 1 });
      const names = Object.keys(answer.headers);
      expect(
        names.filter((name) => /^(set-cookie|session-token|authorization|x-session-.*)$/.test(name)),
      ).toEqual([]);
    }
    for (const sample of samples) await expect(visitTwice(sample, app), sample.name).rejects.toThrow();
    const list = await send(`${app.admin}/v1/sessions`, { headers: OPERATOR });
    expect(JSON.parse(list.body)).toMatchObject({ data: [] });
    expect(pathsOf(app.stderr)).toEqual([]);
    expect(await app.stop()).toBe(0);
  },
);
