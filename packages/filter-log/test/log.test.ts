import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type Exchange,
  events,
  type FilterTarget,
  type LogLevel,
  type SessionId,
} from '@sessionkit/session-core';
import { describe, expect, it, onTestFinished } from 'vitest';
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
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await session.close();
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

it.each([
  ['http://user:private@host/cart?token=private', '/cart'],
  ['HTTP://user:private@host?token=private', '/'],
  ['/cart#private', '/cart'],
  ['*', '*'],
])('writes of the target %s only the path %s', async (target, path) => {
  const { lines, url } = await serve(log(), async (response) => void response.end());
  await new Promise<void>((resolve, reject) => {
    const sent = request(url, { path: target, method: 'OPTIONS' }, (response) => {
      response.resume().once('close', resolve);
    });
    sent.on('error', reject);
    sent.end();
  });
  expect(lines).toEqual([`info OPTIONS ${path} 200, 0 bytes, N ms`]);
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

describe('what happens to the session', () => {
  const id = 's01k6y3v9qxm2r8t4w7z5b1c0d3' as SessionId;
  const other = 's01k6y3v9qxm2r8t4w7z5b1c0d4' as SessionId;

  function target(of: SessionId, lines: string[]): FilterTarget {
    const note = (level: LogLevel, line: string) => lines.push(`${level} ${line}`);
    return { id: of, log: note } as Partial<FilterTarget> as FilterTarget;
  }

  it('in this process is a line of its log, and no line of another one', async () => {
    const [lines, others]: [string[], string[]] = [[], []];
    const filter = log();
    const sessions = [await filter.open(target(id, lines)), await filter.open(target(other, others))];
    const of = { id, service: 'shop', user: 'ann' };
    events.created.publish(of);
    events.changed.publish({ ...of, version: 2 });
    events.login.publish({ ...of, epoch: 3 });
    events.rotated.publish(of);
    events.conflict.publish({ id });
    events.ended.publish({ id, cause: 'killed', by: 'olga' });
    events.ended.publish({ id: other, cause: 'idle', by: undefined });
    expect(lines).toEqual([
      'info the session begins',
      'info a login, its number 3',
      'info a new secret',
      'info a save lost against another process, and its changes are replayed',
      'info the session ends: killed, by olga',
    ]);
    expect(others).toEqual(['info the session ends: idle']);
    expect(filter.diagnostics?.()).toEqual({ lines: 6 });
    for (const session of sessions) await session.close();
  });

  it('is told once while another chain takes the place of the old one, and nobody listens when none is open', async () => {
    const lines: string[] = [];
    const filter = log();
    const old = await filter.open(target(id, lines));
    const next = await filter.open(target(id, lines));
    events.rotated.publish({ id, service: 'shop', user: undefined });
    await old.close();
    events.rotated.publish({ id, service: 'shop', user: undefined });
    expect(lines).toHaveLength(2);
    await next.close();
    expect(events.rotated.hasSubscribers).toBe(false);
    expect(events.ended.hasSubscribers).toBe(false);
  });
});

it('refuses a level that is none', () => {
  expect(() => log({ level: 'loud' as LogLevel })).toThrow('not loud');
});
