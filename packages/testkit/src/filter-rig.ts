import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import {
  createSessionManager,
  type Environment,
  type Exchange,
  type Filter,
  type Service,
  type SessionId,
  type SessionManager,
  type VisitRequest,
} from '@sessionkit/session-core';
import { type TestEnvironment, testEnvironment } from './environment.js';
import { filterBackend, filterTransport, TOKEN_HEADER } from './filter-store.js';
import { WatchedFilter } from './filter-watched.js';

/** What the author of a filter gives to the suite. */
export interface FilterKit {
  /**
   * A new filter, configured so that it has no reason to refuse or to answer an ordinary request itself: limits of 1,000 requests and 50 at a time or more, and not
   * more than 4 MiB for what it keeps. Its clock is that of `environment`, and stands still.
   */
  create(environment: Environment): Filter | Promise<Filter>;
}

/** What stands behind the filter. */
export type Origin = (exchange: Exchange) => unknown;

export interface FilterAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface Sending {
  readonly method?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
  readonly token?: string | undefined;
}

/** One session as its client knows it. */
export interface Client {
  readonly id: SessionId;
  readonly token: string;
}

/** How long an answer may take before it is taken for one that does not come, ms of real time. */
const PATIENCE = 8_000;

/** Services with and without the filter over the same sessions, each behind a server of its own, and one origin behind both. */
export class FilterRig {
  readonly environment: TestEnvironment;
  readonly filter: Filter;
  readonly watched: WatchedFilter;
  readonly manager: SessionManager;
  /** What came out of the filter as a fault. */
  readonly faults: unknown[] = [];
  origin: Origin = ({ response }) => response.end('origin');
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #plain: Service;
  #filteredUrl = '';
  #plainUrl = '';

  private constructor(environment: TestEnvironment, filter: Filter) {
    this.environment = environment;
    this.filter = filter;
    this.watched = new WatchedFilter(filter);
    this.manager = createSessionManager({ environment, filters: new Map([['tested', this.watched]]) });
    const options = {
      backend: filterBackend(),
      transports: [filterTransport],
      share: 'kit',
      autoCreate: 'on_write',
    } as const;
    this.#plain = this.manager.service('plain', options);
    this.manager.service('filtered', { ...options, filters: ['tested'] });
  }

  /** Opens a rig for one case, and closes everything after it. */
  static async use(kit: FilterKit, work: (rig: FilterRig) => Promise<void>): Promise<void> {
    const environment = testEnvironment();
    const rig = new FilterRig(environment, await kit.create(environment));
    try {
      rig.#filteredUrl = await rig.#serve(rig.manager.services.get('filtered') as Service);
      rig.#plainUrl = await rig.#serve(rig.#plain);
      // Without a filter session nothing comes that a case could wait for: then it says at once why.
      await Promise.race([work(rig), rig.watched.refused]);
    } finally {
      await rig.#close();
    }
  }

  /** A new session, logged in if a user is named. */
  async client(user?: string): Promise<Client> {
    return this.#change(undefined, user);
  }

  /** Logs the session in as a user. */
  login({ token }: Client, user: string): Promise<Client> {
    return this.#change(token, user);
  }

  /** Sends a request through the filter, and waits for the whole answer. Rejects when it is cut. */
  send(
    { token }: Client,
    path: string,
    { method = 'GET', headers, body }: Sending = {},
  ): Promise<FilterAnswer> {
    return new Promise((resolve, reject) => {
      const outgoing = request(`${this.#filteredUrl}${path}`, {
        method,
        agent: false,
        headers: { ...headers, [TOKEN_HEADER]: token },
        signal: AbortSignal.timeout(PATIENCE),
      });
      outgoing.on('error', reject);
      outgoing.on('response', (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(chunks),
          }),
        );
      });
      outgoing.end(body);
    });
  }

  /** Opens a connection to the server with the filter, or to the other one, and sends a head with the token of a session. */
  begin({ token }: Client, head: string, through: 'filter' | 'nothing' = 'filter'): Wire {
    const { port } = new URL(through === 'filter' ? this.#filteredUrl : this.#plainUrl);
    const socket = connect(Number(port), '127.0.0.1');
    this.#sockets.add(socket);
    const [first, ...rest] = head.split('\r\n');
    socket.write(
      [first, 'Host: kit.example', `${TOKEN_HEADER}: ${token}`, ...rest, '', ''].join('\r\n'),
      'latin1',
    );
    return new Wire(socket);
  }

  /** Waits until the filter is done with all requests. */
  async quiet(): Promise<void> {
    await until('the filter to be done with its requests', () => this.watched.running === 0);
  }

  #serve(service: Service): Promise<string> {
    const server = createServer({ requestTimeout: 0 }, this.#handler(service));
    this.#servers.push(server);
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    return once(server, 'listening').then(() => `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }

  #handler(service: Service): RequestListener {
    return (incoming, response) => {
      // A careless filter that has answered already makes the answer that follows an error event.
      response.on('error', (fault) => this.faults.push(fault));
      const handle = async () => {
        const visit = await service.open(viewOf(incoming.headers[TOKEN_HEADER]));
        const over = new Promise<void>((resolve) => response.once('close', resolve));
        const exchange: Exchange = {
          request: incoming,
          response,
          session: visit.session,
          requestId: 'kit',
          clientAddress: '192.0.2.1',
          scheme: 'http',
          host: incoming.headers.host ?? '',
          onServer() {},
        };
        try {
          await service.pass(visit, exchange, async () => {
            await this.origin(exchange);
            await over;
          });
        } finally {
          visit.close();
        }
      };
      handle().catch((fault: unknown) => {
        this.faults.push(fault);
        if (response.headersSent) response.destroy();
        else response.writeHead(500).end();
      });
    };
  }

  async #change(token: string | undefined, user: string | undefined): Promise<Client> {
    const visit = await this.#plain.open(viewOf(token));
    visit.session.set('visited', true);
    if (user !== undefined) await visit.session.login(user);
    const fields = await visit.finish({ status: 200, cacheControl: undefined });
    visit.close();
    const issued = fields.find(([name]) => name === TOKEN_HEADER)?.[1] ?? token;
    const { id } = visit.session;
    if (issued === undefined || id === undefined) throw new Error('the rig could not open a session');
    return { id, token: issued };
  }

  async #close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers) server.close();
    await this.manager.close();
    await this.filter.close?.();
  }
}

/** One connection, byte by byte. */
export class Wire {
  readonly socket: Socket;
  text = '';
  readonly closed: Promise<void>;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (data) => {
      this.text += data;
    });
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  /** Waits for text from the server. */
  async sees(what: string): Promise<void> {
    await until(`${JSON.stringify(what)} at the client`, () => this.text.includes(what));
  }

  /** All that came until the server closed the connection, less the time at which it came. */
  async whole(): Promise<string> {
    await until('the end of the answer', () => this.socket.destroyed);
    return this.text.replace(/^Date: .*\r\n/gim, '');
  }
}

export async function until(what: string, probe: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  while (!probe()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function viewOf(token: string | string[] | undefined): VisitRequest {
  return {
    method: 'GET',
    path: '/',
    secure: false,
    host: 'kit.example',
    upgrade: false,
    untrustedProxy: false,
    header: (name) => (name === TOKEN_HEADER ? [token].flat()[0] : undefined),
    query: () => [],
    client: () => ({ ip: '192.0.2.1', port: 1, cipher: '', userAgent: 'kit', attributes: {} }),
  };
}
