import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { echo, exchangeBytes, gateway, rawUpstream, send, upstream } from './harness.js';

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);

describe('a request that two parsers may read in two ways', () => {
  test.each([
    ['two Host fields', 'Host: a\r\nHost: b'],
    ['a path in Host', 'Host: a/b'],
    ['a user in Host', 'Host: user@a'],
    ['a space in Host', 'Host: a b'],
    ['markup in Host', 'Host: "><script>'],
    ['a port that is no number', 'Host: a:b'],
    ['two ports', 'Host: a:1:2'],
    ['bytes that are no ASCII in Host', 'Host: \xe9'],
  ])('%s: 400, and the upstream does not see it', async (_, fields) => {
    let asked = 0;
    const { port } = await gateway(
      [await upstream((_request, response) => void response.end(`${++asked}`))],
      {
        ownHost: true,
      },
    );
    const answer = await exchangeBytes(port, `GET / HTTP/1.1\r\n${fields}\r\nConnection: close\r\n\r\n`);
    expect(statusOf(answer)).toBe(400);
    expect(answer).toContain('The request must name one host.');
    expect(asked).toBe(0);
  });

  test.each(['a', 'a.example:8080', 'under_score', '127.0.0.1:1', '[::1]:80', '[fe80::1%25eth0]', 'a:'])(
    'Host: %s goes up as it is',
    async (host) => {
      const { port } = await gateway([await upstream(echo)], { ownHost: true });
      const answer = await exchangeBytes(
        port,
        `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      );
      expect(statusOf(answer)).toBe(200);
      expect(answer).toContain(`"host","${host}"`);
    },
  );

  test('only OPTIONS may speak of the server as a whole', async () => {
    const { port } = await gateway([await upstream(echo)]);
    for (const [method, status] of [
      ['OPTIONS', 204],
      ['GET', 400],
    ] as const) {
      const answer = await exchangeBytes(
        port,
        `${method} * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
      );
      expect(statusOf(answer)).toBe(status);
    }
  });

  test('a coding besides chunked is a 501: the body would go up coded, without its label', async () => {
    const { port } = await gateway([await upstream(echo)]);
    for (const coding of ['gzip, chunked', 'gzip\r\nTransfer-Encoding: chunked']) {
      const head = `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: ${coding}\r\n\r\n`;
      expect(statusOf(await exchangeBytes(port, `${head}3\r\nabc\r\n0\r\n\r\n`))).toBe(501);
    }
  });

  test('HTTP/1.0 with Transfer-Encoding is a 400 that closes the connection', async () => {
    const { port } = await gateway([await upstream(echo)]);
    const head = 'POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n';
    const answer = await exchangeBytes(
      port,
      `${head}3\r\nabc\r\n0\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n`,
    );
    expect(statusOf(answer)).toBe(400);
    expect(answer.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
  });

  test('an answer in a coding besides chunked is a 502', async () => {
    const coded = await rawUpstream((socket) => {
      socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n');
    });
    const { url, log } = await gateway([coded]);
    expect((await send(url)).status).toBe(502);
    expect(log.map(({ message }) => message).join()).toContain('Transfer-Encoding is more than chunked');
  });
});

describe('answers that wait for those before them', () => {
  test('one of the gateway itself ends with the connection too', async () => {
    const never = await upstream(() => {});
    const { port, handled } = await gateway([never]);
    const socket = connect(port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\nTRACE / HTTP/1.1\r\nHost: a\r\n\r\n');
    await expect.poll(() => handled.length).toBe(2);
    socket.destroy();
    await Promise.all(handled);
  });

  test('a hundred of them cost one listener of the connection', async () => {
    const warnings: Error[] = [];
    const warn = (warning: Error) => void warnings.push(warning);
    process.on('warning', warn);
    const never = await upstream(() => {});
    const { port, handled } = await gateway([never]);
    const socket = connect(port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(100));
    await expect.poll(() => handled.length).toBe(100);
    socket.destroy();
    await Promise.all(handled);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', warn);
    expect(warnings).toEqual([]);
  });
});
