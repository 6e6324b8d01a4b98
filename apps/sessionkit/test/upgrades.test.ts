import type { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Client, handshake, SWITCH, startGateway } from './gateway.js';

const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
const H2C = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n';
const PATIENCE = { timeout: 5_000, interval: 5 };

describe('a request with Upgrade behind one that waits for its answer', () => {
  it('to a WebSocket is answered after it, and the connection carries it', async () => {
    const { slow, port, access } = await startGateway({
      onHandshake: (socket) => {
        socket.write(SWITCH);
        socket.pipe(socket);
      },
    });
    const client = new Client(port);
    client.socket.write(`${get('/slow')}${handshake('/chat')}echo`);
    await expect.poll(() => slow.length, PATIENCE).toBe(1);
    await turn();
    expect(client.text).toBe('');
    slow[0]?.();
    await expect.poll(() => client.text, PATIENCE).toMatch(/^HTTP\/1\.1 200 .*slow.*HTTP\/1\.1 101 .*echo$/s);
    client.socket.destroy();
    await expect
      .poll(() => access.map(({ url, status }) => [url, status]), PATIENCE)
      .toEqual([
        ['/slow', 200],
        ['/chat', 101],
      ]);
  });

  it('to another protocol is read like any other, and so is the next one', async () => {
    const { slow, port } = await startGateway();
    const client = new Client(port);
    client.socket.write(get('/slow') + get('/h2c', H2C) + get('/after', 'Connection: close\r\n'));
    await expect.poll(() => slow.length, PATIENCE).toBe(1);
    slow[0]?.();
    expect(await client.closed()).toMatch(/slow.*\/h2c as.*\/after as/s);
  });

  it('waits for all before it', async () => {
    const { slow, port } = await startGateway();
    const client = new Client(port);
    client.socket.write(get('/slow') + get('/slow') + handshake('/chat'));
    await expect.poll(() => slow.length, PATIENCE).toBe(2);
    slow[1]?.();
    await turn();
    slow[0]?.();
    await expect
      .poll(() => client.text.match(/HTTP\/1\.1 \d+/g), PATIENCE)
      .toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 101']);
  });

  it('is dropped with a connection that breaks', async () => {
    const { slow, port, access, stop } = await startGateway();
    const client = new Client(port);
    client.socket.write(get('/slow') + handshake('/chat'));
    await expect.poll(() => slow.length, PATIENCE).toBe(1);
    client.socket.resetAndDestroy();
    await expect.poll(() => access.map(({ status }) => status), PATIENCE).toEqual([499]);
    slow[0]?.();
    expect(await stop()).toBe(true);
  });
});

describe('a handshake that the server answers otherwise', () => {
  const forbidden = (steering: string) => (socket: Duplex) =>
    void socket.end(`HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n${steering}\r\n\r\nno!`);

  async function ask(port: number, cookie: string): Promise<string> {
    const client = new Client(port);
    client.socket.write(handshake('/chat', `Cookie: ${cookie}\r\n`));
    const answer = await client.closed();
    expect(answer).toMatch(/^HTTP\/1\.1 403 .*no!$/s);
    return answer;
  }

  const login = async (url: string) =>
    cookieOf((await fetch(`${url}/login`)).headers.get('set-cookie') ?? '');
  const cookieOf = (text: string) => /sxapi-sess=[^;\s]+/.exec(text)?.[0] ?? '';
  const whoIs = async (url: string, cookie: string) =>
    (await fetch(`${url}/who`, { headers: { cookie } })).text();

  it('with another user of the session hands out its new cookie', async () => {
    const { port, url } = await startGateway({ onHandshake: forbidden('X-Session-User: bob') });
    const cookie = cookieOf(await ask(port, await login(url)));
    expect(cookie).not.toBe('');
    expect(await whoIs(url, cookie)).toMatch('/who as bob');
  });

  it('with data for the session has it stored', async () => {
    const data = Buffer.from('{"cart":7}').toString('base64url');
    const { port, url } = await startGateway({ onHandshake: forbidden(`X-Session-Data: ${data}`) });
    const cookie = await login(url);
    await ask(port, cookie);
    expect(await whoIs(url, cookie)).toBe('/who as ann with {"cart":7}');
  });

  it('with the end of the session clears its cookie', async () => {
    const { port, url } = await startGateway({ onHandshake: forbidden('X-Session-Destroy: 1') });
    const answer = await ask(port, await login(url));
    expect(answer).toMatch(/Set-Cookie: sxapi-sess=;/i);
  });
});

it('a WebSocket that opens while the gateway stops is told to go away at once', async () => {
  const handshakes: Duplex[] = [];
  const { port, stop } = await startGateway({ onHandshake: (socket) => void handshakes.push(socket) });
  const client = new Client(port);
  client.socket.write(handshake('/chat'));
  await expect.poll(() => handshakes.length, PATIENCE).toBe(1);
  const stopped = stop();
  await turn();
  handshakes[0]?.write(SWITCH);
  // 0x88: a frame that closes; 0x03e9: with 1001.
  await expect.poll(() => client.text, PATIENCE).toContain('\x88\x13\x03\xe9the gateway stops');
  client.socket.end();
  expect(await stopped).toBe(true);
});
