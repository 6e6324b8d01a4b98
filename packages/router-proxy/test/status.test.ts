import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { gateway, send } from './harness.js';

const server = http.createServer((request, response) => {
  if (request.url === '/held') held.push(response);
  else response.end('ok');
});
const held: http.ServerResponse[] = [];

async function listen(port: number): Promise<number> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function stop(): Promise<void> {
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
}

test('what the router tells of a server follows the requests that go there', async () => {
  const port = await listen(0);
  const target = { name: 'up', url: `http://127.0.0.1:${port}`, steer: false };
  const { url, router } = await gateway([target]);
  const status = () => router.status?.()[0];
  expect(status()).toEqual({
    name: 'up',
    reachable: undefined,
    changedAt: undefined,
    connections: 0,
    totalConnections: 0,
    activeRequests: 0,
    totalRequests: 0,
  });

  const begun = Date.now();
  await send(url);
  expect(status()).toMatchObject({ reachable: true, connections: 1, totalConnections: 1, totalRequests: 1 });
  expect(status()?.changedAt).toBeGreaterThanOrEqual(begun);
  expect(status()?.changedAt).toBeLessThanOrEqual(Date.now());

  const waiting = send(`${url}/held`);
  await expect.poll(() => held.length).toBe(1);
  expect(status()).toMatchObject({ activeRequests: 1, totalRequests: 2 });
  held.pop()?.end('late');
  await waiting;
  await expect.poll(() => status()?.activeRequests).toBe(0);

  const upSince = status()?.changedAt;
  await stop();
  await expect.poll(() => status()?.connections).toBe(0);
  // That a connection was closed does not say that the next one would fail.
  expect(status()).toMatchObject({ reachable: true, changedAt: upSince });
  expect((await send(url)).status).toBe(502);
  expect(status()).toMatchObject({ reachable: false, connections: 0, totalRequests: 3 });
  const downSince = status()?.changedAt;
  expect((await send(url)).status).toBe(502);
  expect(status()).toMatchObject({ reachable: false, changedAt: downSince });

  await listen(port);
  expect((await send(url)).status).toBe(200);
  expect(status()).toMatchObject({ reachable: true, connections: 1, totalRequests: 5 });
  expect(status()?.changedAt).toBeGreaterThanOrEqual(downSince ?? Number.POSITIVE_INFINITY);
  await stop();
});
