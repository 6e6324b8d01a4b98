import http, { type ServerResponse } from 'node:http';
import type { SessionId } from '@sessionkit/session-core';
import { expect, onTestFinished, test } from 'vitest';
import { gateway, send, upstream } from './harness.js';

/** A client of a stream whose session is about to end. */
async function streaming(begin: (response: ServerResponse) => void, fields: http.OutgoingHttpHeaders = {}) {
  let source: ServerResponse | undefined;
  let sourceClosed = false;
  const url = await upstream((request, response) => {
    if (request.url !== '/events') return void response.end('ok');
    source = response;
    response.on('close', () => {
      sourceClosed = true;
    });
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', ...fields });
    begin(response);
  });
  const made = await gateway([url]);
  const cookie = (await send(made.url)).headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  const id = cookie.split('=')[1]?.split('.')[0] as SessionId;
  let text = '';
  let cut: boolean | undefined;
  const sent = http.get(`${made.url}/events`, { headers: { cookie }, agent: false }, (response) => {
    response.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    response.on('error', () => {});
    response.on('close', () => {
      cut = !response.complete;
    });
  });
  onTestFinished(() => void sent.destroy());
  await expect.poll(() => source).toBeDefined();
  return {
    end: () => made.manager.end(id, { name: 'olga' }),
    write: (chunk: string) => source?.write(chunk),
    text: () => text,
    cut: () => cut,
    sourceClosed: () => sourceClosed,
  };
}

const LAST = 'event: end\ndata: {"cause":"killed"}\n\n';

test.each(['\n\n', '\r\n\r\n', '\r\r'])(
  'a stream of events ends with one that tells the cause (events end with %j)',
  async (blank) => {
    const stream = await streaming((response) => void response.write(`data: 1${blank}data: 2${blank}`));
    await expect.poll(stream.text).toContain('data: 2');
    await stream.end();
    await expect.poll(stream.cut).toBe(false);
    expect(stream.text()).toBe(`data: 1${blank}data: 2${blank}${LAST}`);
    await expect.poll(stream.sourceClosed).toBe(true);
  },
);

test('one that has sent nothing yet tells it too', async () => {
  const stream = await streaming((response) => response.flushHeaders());
  await new Promise((resolve) => setTimeout(resolve, 50));
  await stream.end();
  await expect.poll(stream.cut).toBe(false);
  expect(stream.text()).toBe(LAST);
});

test('the event under way goes out whole before it', async () => {
  const stream = await streaming((response) => void response.write('data: 1\n'));
  await expect.poll(stream.text).toBe('data: 1\n');
  await stream.end();
  stream.write('data: 2\n');
  stream.write('\n');
  await expect.poll(stream.cut).toBe(false);
  expect(stream.text()).toBe(`data: 1\ndata: 2\n\n${LAST}`);
});

test('an event that does not end is cut, and not taken for a whole one', async () => {
  const stream = await streaming((response) => void response.write('data: half'));
  await expect.poll(stream.text).toBe('data: half');
  await stream.end();
  await expect.poll(stream.cut).toBe(true);
  expect(stream.text()).toBe('data: half');
});

test('a stream that is compressed, where nothing can be put in, is cut', async () => {
  const stream = await streaming((response) => void response.write('??\n\n'), { 'content-encoding': 'br' });
  await expect.poll(stream.text).toBe('??\n\n');
  await stream.end();
  await expect.poll(stream.cut).toBe(true);
});
