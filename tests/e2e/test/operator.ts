import { Agent, request } from 'node:http';
import { expect } from 'vitest';

/** What a command-line client gets. */
export interface Reply {
  readonly status: number;
  readonly body: string;
}

/** A JSON:API document as such a client looks at it: by path, without a schema. */
export interface Document {
  readonly data: unknown;
}

/**
 * Sends requests byte by byte as a MaxScale command-line client of version 24.02 does: path spelling, raw brackets, header fields and empty bodies as they
 * were recorded from one. It knows nothing else of that client.
 */
export class Operator {
  readonly #host: string;
  readonly #port: number;
  readonly #authorization: string;
  readonly #agent = new Agent({ keepAlive: true });
  /** `METHOD resource`, of each request that was sent. */
  readonly sent: string[] = [];
  /** Added to every URL by `--skip-sync`. */
  skipSync = false;

  constructor(url: string, user: string, password: string) {
    const { hostname, port } = new URL(url);
    this.#host = hostname;
    this.#port = Number(port);
    this.#authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** @param resource what follows `/v1/`, as it is */
  send(method: string, resource: string, body?: string): Promise<Reply> {
    const sync = this.skipSync ? `${resource.includes('?') ? '&' : '?'}sync=false` : '';
    this.sent.push(`${method} ${resource}${sync}`);
    const headers = {
      Accept: 'application/json, text/plain, */*',
      ...contentHeaders(method, body),
      'User-Agent': 'axios/0.28.0',
      Authorization: this.#authorization,
      Host: `${this.#host}:${this.#port}`,
      Connection: 'keep-alive',
    };
    return new Promise((resolve, reject) => {
      const path = `/v1/${resource}${sync}`;
      const options = { host: this.#host, port: this.#port, method, path, headers, agent: this.#agent };
      const outgoing = request(options, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
        );
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  /** A read. @throws when the client would print an error */
  async get(resource: string): Promise<Document> {
    const { status, body } = await this.send('GET', resource);
    expect([resource, status, body.slice(0, 200)]).toEqual([resource, 200, body.slice(0, 200)]);
    return JSON.parse(body) as Document;
  }

  /** A read of a collection: without an array in `data` the client dies. */
  async list(resource: string): Promise<readonly unknown[]> {
    const { data } = await this.get(resource);
    expect(Array.isArray(data)).toBe(true);
    return data as readonly unknown[];
  }

  /** A write. The client prints `OK` for any 2xx, if and only if the body is empty. */
  async write(method: string, resource: string, body?: unknown): Promise<void> {
    const reply = await this.send(method, resource, body === undefined ? undefined : JSON.stringify(body));
    expect([resource, reply.body, Math.floor(reply.status / 100)]).toEqual([resource, '', 2]);
  }

  /** A request that the client prints as an error; answers what it shows of it. */
  async refused(method: string, resource: string, body?: unknown): Promise<Reply> {
    const reply = await this.send(method, resource, body === undefined ? undefined : JSON.stringify(body));
    expect(reply.status).toBeGreaterThanOrEqual(400);
    return reply;
  }
}

function contentHeaders(method: string, body: string | undefined): Readonly<Record<string, string | number>> {
  if (body !== undefined)
    return { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
  if (method !== 'POST' && method !== 'PUT') return {};
  return { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': 0 };
}

/** What stands at a path of names in a document; undefined when there is nothing. */
export function at(value: unknown, path: string): unknown {
  let found: unknown = value;
  for (const name of path.split('.')) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = (found as Readonly<Record<string, unknown>>)[name];
  }
  return found;
}

/** What a client cannot do without: it dies when it is not there. */
export function needed(value: unknown, path: string): unknown {
  const found = at(value, path);
  expect([path, found]).not.toEqual([path, undefined]);
  return found;
}

/** What a client shows as a time in its own zone. */
export function shownTime(value: unknown, path: string): number {
  const time = new Date(needed(value, path) as string).getTime();
  expect([path, Number.isNaN(time)]).toEqual([path, false]);
  // One that names its zone: GMT, or Z.
  expect(needed(value, path)).toMatch(/(GMT|Z)$/);
  return time;
}

/** Ids of a relationship. */
export function related(value: unknown, name: string): readonly string[] {
  const data = at(value, `relationships.${name}.data`);
  return Array.isArray(data) ? data.map((one) => String(at(one, 'id'))) : [];
}
