import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { memory } from '@sessionkit/backend-memory';
import { describe, expect, test } from 'vitest';
import { gateway, send, upstream } from './harness.js';

const MB = 1024 * 1024;
const SIZE = 64 * MB;
/** Whose end is no end of a read. */
const ODD = 4 * MB + 12_345;
const block = Buffer.alloc(64 * 1024, 'x');

/** Bytes that this process holds in buffers: client, gateway and upstream together. */
const buffered = () => process.memoryUsage().arrayBuffers;

/** Writes `SIZE` bytes as fast as they are taken; says how many were. */
async function pour(into: NodeJS.WritableStream, sent: (bytes: number) => void): Promise<void> {
  for (let left = SIZE; left > 0; left -= block.length) {
    if (!into.write(block)) await new Promise((resolve) => into.once('drain', resolve));
    sent(block.length);
  }
  into.end();
}

describe('streams', () => {
  test('64 MB come down to a slow reader while the upstream is held back and memory stays flat', async () => {
    let sent = 0;
    const url = await upstream((_request, response) => {
      response.writeHead(200, { 'Content-Length': SIZE });
      void pour(response, (bytes) => {
        sent += bytes;
      });
    });
    const { url: at } = await gateway([url]);
    const before = buffered();
    let received = 0;
    let ahead = 0;
    const response = await new Promise<http.IncomingMessage>((resolve) => {
      http.get(at, { agent: false }, resolve);
    });
    response.pause();
    await sleep(200);
    const stalled = sent;
    await sleep(200);
    expect(sent - stalled).toBeLessThan(MB);
    expect(buffered() - before).toBeLessThan(16 * MB);
    for await (const chunk of response) {
      received += (chunk as Buffer).length;
      ahead = Math.max(ahead, sent - received);
      if (received % (4 * MB) < 64 * 1024) await sleep(2);
    }
    expect(received).toBe(SIZE);
    // Kernel buffers of two connections on the loopback are most of it.
    expect(ahead).toBeLessThan(24 * MB);
  }, 30_000);

  test('a body waits in its connection while a login is being stored', async () => {
    let sent = 0;
    const url = await upstream((_request, response) => {
      response.writeHead(200, { 'Content-Length': SIZE, 'X-Session-User': 'alice' });
      void pour(response, (bytes) => {
        sent += bytes;
      });
    });
    let store: () => void = () => {};
    const stored = new Promise<void>((resolve) => {
      store = resolve;
    });
    const backend = memory();
    const save = backend.save.bind(backend);
    backend.save = (...given) => stored.then(() => save(...given));
    const { url: at } = await gateway([url], { session: { backend } });
    const reply = send(at);
    await sleep(300);
    expect(sent).toBeLessThan(24 * MB);
    store();
    expect((await reply).body).toHaveLength(SIZE);
  }, 30_000);

  test('64 MB go up to a slow upstream while the client is held back', async () => {
    let received = 0;
    let ahead = 0;
    let sent = 0;
    let held = 0;
    const before = buffered();
    const url = await upstream(async (request, response) => {
      await sleep(200);
      held = buffered() - before;
      for await (const chunk of request) {
        received += (chunk as Buffer).length;
        ahead = Math.max(ahead, sent - received);
        if (received % (4 * MB) < 64 * 1024) await sleep(2);
      }
      response.end(String(received));
    });
    const { url: at } = await gateway([url]);
    const answer = new Promise<string>((resolve, reject) => {
      const request = http.request(at, { method: 'PUT', agent: false }, async (response) => {
        let text = '';
        for await (const chunk of response) text += String(chunk);
        resolve(text);
      });
      request.on('error', reject);
      void pour(request, (bytes) => {
        sent += bytes;
      });
    });
    expect(await answer).toBe(String(SIZE));
    expect(ahead).toBeLessThan(24 * MB);
    expect(held).toBeLessThan(16 * MB);
  }, 30_000);

  test('many slow readers of answers that end with the connection get them whole', async () => {
    const url = await upstream((request, response) => {
      response.setHeader('Connection', 'close');
      if (request.url === '/known') response.setHeader('Content-Length', ODD);
      response.end(Buffer.alloc(ODD, 'y'));
    });
    const { url: at } = await gateway([url]);
    const sizes = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const response = await new Promise<http.IncomingMessage>((resolve) => {
          http.get(at + (i % 2 ? '/known' : '/'), { agent: false }, resolve);
        });
        let size = 0;
        for await (const chunk of response) {
          size += (chunk as Buffer).length;
          await sleep(1);
        }
        return size;
      }),
    );
    expect(sizes).toEqual(Array(20).fill(ODD));
  }, 30_000);

  test.each([
    { autoCreate: true, why: 'held for a new session' },
    { autoCreate: false, why: 'not held' },
  ])(
    'the head of a stream of events, $why, does not wait for the first, nor one for the next',
    async ({ autoCreate }) => {
      let push: (text: string) => void = () => {};
      const url = await upstream((_request, response) => {
        response.writeHead(200, { 'Content-Type': 'text/event-stream', 'X-A': '\u00e9' });
        // Not flushHeaders(), which writes the head as UTF-8.
        response.write(Buffer.alloc(0));
        push = (text) => void response.write(text);
      });
      const { url: at } = await gateway([url], { session: { autoCreate } });
      const response = await new Promise<http.IncomingMessage>((resolve) => {
        http.get(at, { agent: false }, resolve);
      });
      expect(response.headers['content-type']).toBe('text/event-stream');
      expect(response.headers['x-a']).toBe('\u00e9');
      const events: string[] = [];
      response.on('data', (chunk: Buffer) => events.push(chunk.toString()));
      for (const text of ['data: 1\n\n', 'data: 2\n\n']) {
        push(text);
        await expect.poll(() => events.at(-1)).toBe(text);
      }
      response.destroy();
    },
  );
});
