import { createServer, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { observeAnswer } from '../src/observe.js';

interface Seen {
  status: number | undefined;
  fields: Readonly<Record<string, unknown>> | undefined;
  body: string;
  ends: boolean[];
}

/** Lets `answer` write an answer to a real client, and tells what an observer and what the client saw. */
async function watched(
  answer: (response: ServerResponse) => void,
  cut = false,
  before: Readonly<Record<string, string>> = {},
) {
  const seen: Seen = { status: undefined, fields: undefined, body: '', ends: [] };
  const server = createServer((_request, response) => {
    for (const [name, value] of Object.entries(before)) response.setHeader(name, value);
    observeAnswer(response, {
      head(status, fields) {
        seen.status = status;
        seen.fields = fields;
      },
      data: (chunk) => {
        seen.body += chunk.toString();
      },
      end: (complete) => seen.ends.push(complete),
    });
    answer(response);
  });
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const got = await new Promise<{ status?: number | undefined; body: string }>((resolve) => {
    const sent = request({ port, host: '127.0.0.1', agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
        if (cut) sent.destroy();
      });
      response.on('close', () => resolve({ status: response.statusCode, body }));
    });
    sent.on('error', () => resolve({ body: '' }));
    sent.end();
  });
  await expect.poll(() => seen.ends.length).toBeGreaterThan(0);
  return { seen, got };
}

it.each<[string, (response: ServerResponse) => void]>([
  [
    'a flat list',
    (response) => {
      response.writeHead(201, ['X-One', '1', 'Set-Cookie', 'a=1', 'set-cookie', 'b=2']);
      response.write('héé');
      response.end(Buffer.from('y'));
    },
  ],
  [
    'an object over fields that were set before',
    (response) => {
      response.setHeader('x-one', 'another');
      response.writeHead(201, 'Made', { 'X-One': '1', 'Set-Cookie': ['a=1', 'b=2'] });
      response.end('hééy');
    },
  ],
  [
    'fields that were set, the head left to node',
    (response) => {
      response.statusCode = 201;
      response.setHeader('X-One', 1);
      response.setHeader('Set-Cookie', ['a=1', 'b=2']);
      response.write('68c3a9', 'hex');
      response.end('éy', () => {});
    },
  ],
])('sees an answer whose head is %s, as the client does', async (_form, answer) => {
  const { seen, got } = await watched(answer);
  expect(seen).toMatchObject({ status: 201, body: 'hééy', ends: [true] });
  expect({ ...seen.fields }).toMatchObject({ 'x-one': '1', 'set-cookie': ['a=1', 'b=2'] });
  expect(got).toEqual({ status: 201, body: 'hééy' });
});

it('sees an answer without a body', async () => {
  const { seen } = await watched((response) => void response.writeHead(204).end());
  expect(seen).toMatchObject({ status: 204, body: '', ends: [true] });
});

it('is told once, and that it is not whole, of an answer that is cut', async () => {
  const { seen } = await watched((response) => void response.write('part'), true);
  expect(seen).toMatchObject({ status: 200, body: 'part', ends: [false] });
});

it.each<[string, (response: ServerResponse) => void, string | undefined]>([
  ['leaves them alone', (response) => void response.end(), undefined],
  ['writes others', (response) => void response.writeHead(200, { 'X-One': '1' }).end(), undefined],
  ['sets them again', (response) => void response.setHeader('vary', 'Cookie').end(), 'Cookie'],
  [
    'adds to them',
    (response) => void response.appendHeader('vary', 'Accept').end(),
    expect.stringContaining('Accept'),
  ],
  [
    'writes them with the head',
    (response) => void response.writeHead(200, ['vary', 'Accept']).end(),
    'Accept',
  ],
])('fields that were there before are not the answer, when its writer %s', async (_does, answer, vary) => {
  const { seen } = await watched(answer, false, { Vary: 'Cookie' });
  const { vary: told } = { ...seen.fields };
  expect(told === undefined ? undefined : [told].flat().join()).toEqual(vary);
});
