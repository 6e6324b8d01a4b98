import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { memory } from '@sessionkit/backend-memory';
import { type HttpOptions, type SessionHandler, sessionHandler } from '@sessionkit/http-node';
import {
  type Access,
  type Backend,
  createSessionManager,
  type Environment,
  processEnvironment,
  type ServiceOptions,
  type Session,
  type SessionManager,
  type Visit,
} from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { onTestFinished } from 'vitest';
import { type Answer, type Asking, ask } from './client.js';

/** How a service is made insecure: whatever is given takes the place of what it would have. */
export interface Weakness {
  /** In words: "where …". */
  readonly as: string;
  readonly options?: Partial<ServiceOptions> | undefined;
  readonly http?: HttpOptions | undefined;
  readonly random?: Environment['random'] | undefined;
  readonly access?: Access | undefined;
  readonly store?: ((backend: Backend) => Backend) | undefined;
  readonly visit?: ((visit: Visit) => void) | undefined;
  /** Sees a request before the service does. */
  readonly front?: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
}

export interface Setup {
  readonly options?: Partial<ServiceOptions> | undefined;
  readonly http?: HttpOptions | undefined;
  readonly random?: Environment['random'] | undefined;
  /** Default: a memory of its own. */
  readonly backend?: Backend | undefined;
  /** The clock stands still until it is turned. */
  readonly frozen?: boolean | undefined;
  /** How long the store may take, in ms. Default 2,000. */
  readonly deadline?: number | undefined;
}

/** A service on node:http with sessions of its own, and a client of it. */
export interface World {
  readonly url: string;
  readonly manager: SessionManager;
  readonly log: readonly string[];
  /** Turns the clock on, in ms. */
  turn(by: number): void;
  ask(path: string, asking?: Asking): Promise<Answer>;
  /** Lets a request to `/slow` go on, once it has come. */
  release(): Promise<void>;
}

export type Start = (setup?: Setup) => Promise<World>;

/** What `/fresh` asks. */
const FRESH = 5 * 60_000;

type Route = (session: Session, query: URLSearchParams) => unknown;

const ROUTES: Readonly<Record<string, Route>> = {
  '/': ({ id, user }) => ({ id, user }),
  '/needed': ({ id, user, text }) => ({ id, user, data: JSON.parse(text) as unknown }),
  '/fresh': () => 'paid',
  '/set': (session, query) => {
    for (const [key, value] of query) session.set(key, value);
  },
  '/large': (session) => session.set('large', 'x'.repeat(300_000)),
  '/login': (session, query) => session.login(query.get('user') ?? 'ann'),
  '/logout': (session) => session.logout(),
  '/rotate': (session) => session.rotate(),
  '/others': (session) => session.endOthers(),
  '/all': (session) => session.endAll(),
  '/mine': (session) => session.sessions(),
  '/end': async (session, query) => {
    const own = (await session.sessions()).find(({ id }) => id === query.get('id'));
    return own === undefined ? false : session.end(own.id);
  },
};

export const starter =
  (weakness?: Weakness): Start =>
  (setup) =>
    start(setup ?? {}, weakness);

async function start(setup: Setup, weakness: Weakness | undefined): Promise<World> {
  const log: string[] = [];
  const begun = Date.now();
  let ahead = 0;
  const now = () => (setup.frozen === true ? begun : Date.now()) + ahead;
  const environment: Environment = {
    ...processEnvironment,
    now,
    random: weakness?.random ?? setup.random ?? processEnvironment.random,
    log: ({ message, error }) =>
      void log.push(error instanceof Error ? `${message}: ${error.message}` : message),
  };
  const backend = setup.backend ?? memory({ now });
  const manager = createSessionManager({ environment, deadline: setup.deadline ?? 2_000 });
  const service = manager.service('shop', {
    backend: weakness?.store?.(backend) ?? backend,
    transports: [cookie()],
    autoCreate: 'on_write',
    paths: [{ prefix: '/needed', session: 'required' }],
    ...setup.options,
    ...weakness?.options,
  });
  if (weakness?.visit !== undefined) {
    const { visit: weaken } = weakness;
    const open = service.open.bind(service);
    service.open = async (request) => {
      const visit = await open(request);
      weaken(visit);
      return visit;
    };
  }

  const slow = { come: latch(), go: latch() };
  const handle: SessionHandler = async (request, response, session) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://shop');
    if (pathname === '/slow') {
      session.set('slow', 'yes');
      slow.come.open();
      await slow.go.opened;
    }
    const answer = await ROUTES[pathname]?.(session, searchParams);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answer ?? 'done'));
  };
  const http = { ...setup.http, ...weakness?.http, environment };
  const open = sessionHandler(service, handle, http);
  const fresh = sessionHandler(service, handle, { ...http, access: weakness?.access ?? { fresh: FRESH } });
  const server = createServer((request, response) => {
    weakness?.front?.(request, response);
    (request.url === '/fresh' ? fresh : open)(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    slow.go.open();
    server.close();
    server.closeAllConnections();
    await manager.close();
  });

  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    manager,
    log,
    turn: (by) => {
      ahead += by;
    },
    ask: (path, asking) => ask(url + path, asking),
    async release() {
      await slow.come.opened;
      slow.go.open();
    },
  };
}

function latch() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** A store that writes over what is there, as `SET` and `INSERT … ON CONFLICT DO UPDATE` do. */
export function overwriting(backend: Backend): Backend {
  const written = new Map<string, Parameters<Backend['save']>[0]>();
  return weakened(backend, {
    async save(record, signal) {
      await backend.save(record, signal);
      written.set(record.id, record);
      return true;
    },
    load: async (ids) => ids.map((id) => written.get(id)),
  });
}

/** A store in which some verbs are others. */
export function weakened<B extends Backend>(backend: B, verbs: Partial<B>): B {
  return new Proxy(backend, {
    get(target, name) {
      const own = Reflect.get(verbs, name) as unknown;
      if (own !== undefined) return own;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
