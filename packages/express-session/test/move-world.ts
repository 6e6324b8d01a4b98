import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { memory } from '@sessionkit/backend-memory';
import { postgres } from '@sessionkit/backend-postgres';
import { redis } from '@sessionkit/backend-redis';
import { sessionMiddleware, sessionOf } from '@sessionkit/http-node';
import {
  type Backend,
  createSessionManager,
  type LegacySessions,
  type LogEntry,
  processEnvironment,
  type Service,
  type ServiceOptions,
  type SessionManager,
} from '@sessionkit/session-core';
import { startPostgres } from '@sessionkit/test-stores/postgres';
import { startRedis } from '@sessionkit/test-stores/redis';
import { cookie } from '@sessionkit/transport-cookie';
import { Redis } from 'ioredis';
import { Pool } from 'pg';
import { createClient } from 'redis';
import { onTestFinished } from 'vitest';
import { connectPgSimple, connectRedis, expressSession, passportUser } from '../src/index.js';
import { type App, type Express, makeApp } from './app.js';
import { Browser, serve } from './help.js';
import { EXPRESS, HOUR } from './sides.js';

/** A store of express-session, with an old application on it and what the new one needs of it. */
export interface OldStore {
  readonly name: string;
  readonly cookieName: string;
  /** Port of the old application. */
  readonly port: number;
  legacy(secret?: string | readonly string[]): LegacySessions;
  /** Sessions of the new application, on the same server. */
  backend(): Backend;
  /** Whether it has the old session, and for how many seconds more. */
  left(sid: string): Promise<number | undefined>;
  /** Lets the old session run out. */
  expire(sid: string): Promise<void>;
}

interface Given {
  readonly secret: string | readonly string[];
  readonly name?: string | undefined;
  readonly prefix?: string | undefined;
  readonly tableName?: string | undefined;
  readonly schemaName?: string | undefined;
}

/** What the old secrets are by the time of the move, newest first. */
const SECRETS = ['newest secret', 'older secret'] as const;

const CONFIGURATIONS: Readonly<Record<string, Given>> = {
  usual: { secret: SECRETS[0] },
  named: {
    secret: SECRETS[1],
    name: 'my.sid',
    prefix: 'app:sessions:',
    tableName: 'my "sessions"',
    schemaName: 'web',
  },
};

/** Real Redis and PostgreSQL, with an old application on each in its usual configuration, and in one where all is named otherwise and an older secret signs. */
export async function startOldStores(): Promise<{
  readonly stores: readonly OldStore[];
  stop(): Promise<void>;
}> {
  const [redisServer, postgresServer] = await Promise.all([startRedis(), startPostgres()]);
  const ioredis = new Redis(redisServer.url, {
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    lazyConnect: true,
  });
  const nodeRedis = createClient({ url: redisServer.url, disableOfflineQueue: true });
  await Promise.all([ioredis.connect(), nodeRedis.connect()]);
  const pool = new Pool({ connectionString: postgresServer.url });
  const children: ChildProcess[] = [];
  const stores = await Promise.all(
    Object.entries(CONFIGURATIONS).flatMap(([title, given]) => [
      redisStore(`connect-redis, ${title}`, given),
      postgresStore(`connect-pg-simple, ${title}`, given),
    ]),
  );

  async function redisStore(name: string, { prefix, ...given }: Given): Promise<OldStore> {
    const { prefix: _, tableName: __, schemaName: ___, ...common } = { prefix, ...given };
    const port = await startOldApp({ kind: 'redis', url: redisServer.url, ...common, prefix });
    const key = (sid: string) => `${prefix ?? 'sess:'}${sid}`;
    // One of each kind of client.
    const client = prefix === undefined ? nodeRedis : ioredis;
    return {
      name,
      cookieName: given.name ?? 'connect.sid',
      port,
      legacy: (secret = SECRETS) => connectRedis(client, { secret, name: given.name, prefix }),
      backend: () => redis(ioredis, { prefix: `new:${Math.random()}:` }),
      async left(sid) {
        const left = await ioredis.ttl(key(sid));
        return left === -2 ? undefined : left;
      },
      async expire(sid) {
        await ioredis.pexpire(key(sid), 1);
        await new Promise((resolve) => setTimeout(resolve, 20));
      },
    };
  }

  async function postgresStore(name: string, { prefix: _, ...given }: Given): Promise<OldStore> {
    const { tableName = 'session', schemaName } = given;
    const port = await startOldApp({ kind: 'postgres', url: postgresServer.url, ...given });
    const table = `${schemaName === undefined ? '' : `"${schemaName}".`}"${tableName.replaceAll('"', '""')}"`;
    return {
      name,
      cookieName: given.name ?? 'connect.sid',
      port,
      legacy: (secret = SECRETS) =>
        connectPgSimple(pool, { secret, name: given.name, tableName: given.tableName, schemaName }),
      backend: () =>
        postgres(pool, { table: `new_${Math.random().toString(36).slice(2)}`, createTable: true }),
      async left(sid) {
        const { rows } = await pool.query(
          `select extract(epoch from expire - localtimestamp)::float as left from ${table} where sid = $1`,
          [sid],
        );
        return rows[0]?.left;
      },
      async expire(sid) {
        await pool.query(
          `update ${table} set expire = localtimestamp - interval '2 seconds' where sid = $1`,
          [sid],
        );
      },
    };
  }

  async function startOldApp(
    given: Given & { readonly kind: string; readonly url: string },
  ): Promise<number> {
    const child = fork(fileURLToPath(new URL('old-app.mjs', import.meta.url)), [JSON.stringify(given)]);
    children.push(child);
    const end = () => child.kill('SIGKILL');
    process.once('exit', end);
    child.once('exit', () => process.off('exit', end));
    const [port] = (await Promise.race([once(child, 'message'), once(child, 'exit').then(() => [])])) as [
      number?,
    ];
    if (port === undefined) throw new Error('the old application did not start');
    return port;
  }

  async function stop(): Promise<void> {
    const over = children.map((child) => (child.exitCode === null ? once(child, 'exit') : undefined));
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(over);
    ioredis.disconnect();
    await nodeRedis.close();
    await pool.end();
    await Promise.all([redisServer.stop(), postgresServer.stop()]);
  }

  return { stores, stop };
}

/** The new application, in one or more processes' stead: each has a manager of its own over the same sessions. */
export interface NewApp {
  readonly ports: readonly number[];
  readonly manager: SessionManager;
  readonly service: Service;
  readonly log: readonly LogEntry[];
  turn(by: number): void;
}

export type Entry = 'expressSession' | 'sessionMiddleware';

export interface NewOptions {
  readonly entry?: Entry;
  readonly processes?: number;
  readonly service?: ServiceOptions;
  /** By default they live in memory, so that the clock can be turned. */
  readonly backend?: () => Backend;
}

export async function startNewApp(legacy: LegacySessions, options: NewOptions = {}): Promise<NewApp> {
  const { entry = 'expressSession', processes = 1, backend = () => memory() } = options;
  let ahead = 0;
  const log: LogEntry[] = [];
  const environment = {
    ...processEnvironment,
    now: () => Date.now() + ahead,
    log: (line: LogEntry) => void log.push(line),
  };
  const shared = backend();
  const started = await Promise.all(
    Array.from({ length: processes }, async (_, at) => {
      const manager = createSessionManager({ environment });
      onTestFinished(() => manager.close());
      const service = manager.service('app', {
        backend: at === 0 ? shared : kept(shared),
        transports: [cookie({ name: 'sid' })],
        autoCreate: 'on_write',
        onDead: 'renew',
        idleTimeout: HOUR,
        duration: 24 * HOUR,
        legacy,
        ...options.service,
      });
      const port = await serve(
        entry === 'expressSession'
          ? makeApp(EXPRESS['Express 5'] as Express, expressSession(service, { environment }))
          : plainApp(service),
      );
      return { manager, service, port };
    }),
  );
  const [first] = started;
  if (first === undefined) throw new Error('there is no new application');
  return {
    ports: started.map(({ port }) => port),
    manager: first.manager,
    service: first.service,
    log,
    turn: (by) => {
      ahead += by;
    },
  };
}

/** The same backend, for a manager that must not close it. */
function kept(backend: Backend): Backend {
  return new Proxy(backend, {
    get(target, key) {
      if (key === 'close') return async () => {};
      const member: unknown = Reflect.get(target, key, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

/** An application that was written for SessionKit, without passport: it reads what passport has left. */
function plainApp(service: Service): App {
  const app = (EXPRESS['Express 5'] as Express)();
  app.use(sessionMiddleware(service));
  app.get('/', (request, response) => {
    const session = sessionOf(request);
    const user = passportUser(session.all()) ?? null;
    response.json({ data: session.all(), user, authenticated: session.user !== undefined });
  });
  app.get('/views', (request, response) => {
    const session = sessionOf(request);
    session.update<number>('views', (views = 0) => views + 1);
    response.send(String(session.get('views')));
  });
  app.post('/logout', async (request, response) => {
    await sessionOf(request).logout();
    response.redirect('/');
  });
  return app;
}

/** A browser that is logged in to the old application as `user`, with data, and now speaks to the new one. */
export async function moved(
  store: OldStore,
  app: NewApp,
  user: string,
  more: readonly string[] = [],
): Promise<{ readonly browser: Browser; readonly sid: string }> {
  const browser = new Browser(store.port);
  await browser.get('/views');
  await browser.post('/login', { username: user, password: 'right' });
  await browser.get('/cart');
  await browser.get('/views');
  for (const path of more) await browser.get(path);
  const sid = await sidOf(browser, store);
  browser.port = app.ports[0] ?? 0;
  return { browser, sid };
}

async function sidOf(browser: Browser, store: OldStore): Promise<string> {
  const value = decodeURIComponent((await browser.value(store.cookieName)) ?? '');
  const [, sid] = /^s:([^.]+)\./.exec(value) ?? [];
  if (sid === undefined) throw new Error('the old application has set no cookie');
  return sid;
}
