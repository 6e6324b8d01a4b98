import { once } from 'node:events';
import { expect, it } from 'vitest';
import { Client, startGateway } from './gateway.js';

const PATIENCE = { timeout: 5_000, interval: 5 };

it('a client of the admin API that never says anything does not hold up a stop', async () => {
  const { stop, portOf, lines } = await startGateway({ admin: true });
  const silent = new Client(portOf('admin'));
  await once(silent.socket, 'connect');
  // Taken by then: it was before this one.
  expect((await fetch(`http://127.0.0.1:${portOf('admin')}/healthz`)).status).toBe(200);
  expect(await stop()).toBe(true);
  await silent.closed();
  expect(lines.at(-1)?.message).toBe('stopped');
}, 15_000);

it('another signal ends the wait for the admin API as well, and the log tells what was cut', async () => {
  const { stop, portOf, lines } = await startGateway({ admin: true });
  const client = new Client(portOf('admin'));
  // What comes with the first request is known when that is answered. The second one waits for its body.
  client.socket.write(
    `GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nPOST /v1/users/inet HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic ${btoa('admin:correct horse')}\r\nContent-Length: 9\r\n\r\n`,
  );
  const now = new AbortController();
  await expect.poll(() => client.text, PATIENCE).toContain('200 OK');
  const stopped = stop(now.signal);
  now.abort();
  expect(await stopped).toBe(false);
  expect(lines.map(({ message }) => message)).toContain('answers of the admin API were cut');
});
