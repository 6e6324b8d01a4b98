import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Exchange, Filter, FilterSession, FilterTarget } from '@sessionkit/session-core';
import { TestClock } from '@sessionkit/testkit';
import { onTestFinished } from 'vitest';
import { type CacheOptions, cache } from '../src/index.js';

type Answering = (response: ServerResponse, request: IncomingMessage, exchange: Exchange) => unknown;

export interface Served {
  readonly url: string;
  readonly filter: Filter;
  readonly session: FilterSession;
  readonly clock: TestClock;
  /** Requests that came through, as `METHOD url`. */
  readonly asked: string[];
  /** Status, fields and body; `age` is that of an answer from the cache. */
  get(
    path: string,
    init?: RequestInit,
  ): Promise<{ status: number; age: string | null; body: string; headers: Headers }>;
}

/** A server behind one session of a cache. Its answers say how many there were: `#1`, `#2` and so on. */
export async function serve(
  answer: Answering | Readonly<Record<string, string | string[]>>,
  options: CacheOptions & { readonly filter?: Filter; readonly before?: Record<string, string> } = {},
): Promise<Served> {
  const clock = new TestClock();
  const filter = options.filter ?? cache({ now: () => clock.now(), ...options });
  const session = await filter.open({} as FilterTarget);
  const asked: string[] = [];
  const answering: Answering =
    typeof answer === 'function'
      ? answer
      : (response) => response.writeHead(200, answer).end(`#${asked.length}`);
  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(options.before ?? {})) response.setHeader(name, value);
    const over = new Promise<void>((resolve) => response.once('close', resolve));
    const host = request.headers.host ?? '';
    const exchange = { request, response, scheme: 'http', host } as Exchange;
    const next = async () => {
      asked.push(`${request.method} ${request.url}`);
      await answering(response, request, exchange);
      await over;
    };
    session.handle(exchange, next).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    filter,
    session,
    clock,
    asked,
    async get(path, init) {
      const { status, headers, ...rest } = await fetch(url + path, init).then(async (got) => ({
        status: got.status,
        headers: got.headers,
        body: await got.text(),
      }));
      return { status, headers, age: headers.get('age'), ...rest };
    },
  };
}
