import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Exchange, FilterTarget, LogLevel } from '@sessionkit/session-core';
import { expect, it, onTestFinished } from 'vitest';
import { log } from '../src/index.js';

/** A server behind the filter; `lines` are what it wrote. */
async function serve(filter: ReturnType<typeof log>, answer: (response: ServerResponse) => Promise<void>) {
  const lines: string[] = [];
  const note = (level: LogLevel, line: string) => lines.push(`${level} ${line.replace(/\d+ ms/, 'N ms')}`);
  const target: Pick<FilterTarget, 'log'> = { log: note };
  const session = await filter.open(target as FilterTarget);
  const server = createServer((incoming: IncomingMessage, response) => {
    const exchange = { request: incoming, response } as Exchange;
    void session.handle(exchange, () => answer(response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { lines, url: `http://127.0.0.1:${port}` };
}

it('writes method, path, status and bytes of each request, and nothing of its query, fields or body', async () => {
  const { lines, url } = await serve(log(), async (response) => {
    response.writeHead(201, { 'x-private': 'matter' });
    response.end('private');
  });
  await fetch(`${url}/cart/1?token=private`, {
    method: 'POST',
    body: 'private',
    headers: { 'x-a': 'private' },
  });
  expect(lines).toEqual(['info POST /cart/1 201, 7 bytes, N ms']);
});

it('says of an answer that was cut that it was', async () => {
  const { lines, url } = await serve(log({ level: 'warning' }), async (response) => {
    response.write('part');
  });
  await new Promise<void>((resolve) => {
    const sent = request(`${url}/stream`, (response) => {
      response.once('data', () => sent.destroy());
      response.once('close', resolve);
    });
    sent.on('error', () => {});
    sent.end();
  });
  await expect.poll(() => lines).toEqual(['warning GET /stream 200, 4 bytes, N ms, cut']);
});

it('says of a client that was gone before the head that there was none', async () => {
  const { lines, url } = await serve(log(), async (response) => {
    response.destroy();
  });
  await expect(fetch(`${url}/gone`)).rejects.toThrow();
  await expect.poll(() => lines).toEqual(['info GET /gone -, 0 bytes, N ms, cut']);
});

it('refuses a level that is none', () => {
  expect(() => log({ level: 'loud' as LogLevel })).toThrow('not loud');
});
