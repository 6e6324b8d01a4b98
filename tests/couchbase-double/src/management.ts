import { createServer, type IncomingMessage, type Server as Listener } from 'node:http';
import { listening } from './listening.js';
import type { Server } from './server.js';

interface Answer {
  readonly status: number;
  readonly body?: unknown;
}

const OK: Answer = { status: 200 };
const EXTERNAL = '/node/controller/setupAlternateAddresses/external';
const NODES = '/pools/default/nodeServices';

/** As much of a node's REST interface as tests need: https://docs.couchbase.com/server/current/rest-api/rest-intro.html */
export class Management {
  readonly #server: Server;
  #listener: Listener | undefined;

  constructor(server: Server) {
    this.#server = server;
  }

  async start(port: number): Promise<number> {
    const listener = createServer((request, response) => {
      this.#answer(request).then(
        ({ status, body }) => {
          response.writeHead(status, { 'content-type': 'application/json' });
          response.end(body === undefined ? '' : JSON.stringify(body));
        },
        () => response.destroy(),
      );
    });
    this.#listener = listener;
    return listening(listener, port);
  }

  async stop(): Promise<void> {
    const listener = this.#listener;
    if (listener === undefined) return;
    this.#listener = undefined;
    const closed = new Promise((resolve) => listener.close(resolve));
    listener.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const { user, password, bucket } = this.#server.settings;
    const login = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    if (request.headers.authorization !== login) return { status: 401 };
    const form = new URLSearchParams(await textOf(request));
    const path = decodeURIComponent(request.url ?? '');
    const scopes = `/pools/default/buckets/${bucket}/scopes`;
    switch (`${request.method} ${path}`) {
      case `GET ${NODES}`:
        return { ...OK, body: this.#server.configuration() };
      case `GET /pools/default/b/${bucket}`:
        return { ...OK, body: this.#server.configuration(bucket) };
      case `PUT ${EXTERNAL}`:
        return this.#setExternal(form);
      case `DELETE ${EXTERNAL}`:
        this.#server.setExternal(undefined);
        return OK;
      case `GET ${scopes}`:
        return { ...OK, body: { uid: '1', scopes: this.#server.scopes } };
      case `POST ${scopes}`:
        return this.#server.addScope(form.get('name') ?? '') ? OK : { status: 400 };
    }
    const [, scope] = new RegExp(`^${scopes}/([^/]+)/collections$`).exec(path) ?? [];
    if (request.method !== 'POST' || scope === undefined) return { status: 404 };
    return this.#server.addCollection(scope, form.get('name') ?? '') ? OK : { status: 400 };
  }

  /** Replaces all that was set before. */
  #setExternal(form: URLSearchParams): Answer {
    const host = form.get('hostname');
    const port = Number(form.get('kv'));
    if (host === null) return { status: 400, body: ['hostname should be specified'] };
    if (!Number.isInteger(port) || port < 1) return { status: 400, body: ['kv: not a port'] };
    this.#server.setExternal({ host, port });
    return OK;
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
