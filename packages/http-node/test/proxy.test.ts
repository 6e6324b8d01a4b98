import type { IncomingMessage } from 'node:http';
import type { VisitRequest } from '@sessionkit/session-core';
import { describe, expect, it } from 'vitest';
import { httpSettings, nodeRequest, redactUrl, sessionHandler } from '../src/index.js';
import { ask, serve, world } from './help.js';

interface Parts {
  readonly url?: string;
  readonly method?: string;
  readonly peer?: string;
  readonly encrypted?: boolean;
  readonly headers?: readonly string[];
  readonly originalUrl?: string;
}

/** A request as node's parser would leave it. */
function request(parts: Parts, trustProxy: readonly string[] = []): VisitRequest {
  const { url = '/', method = 'GET', peer = '203.0.113.9', encrypted, headers: rawHeaders = [] } = parts;
  const headers: Record<string, string> = {};
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase();
    headers[name] =
      headers[name] === undefined ? (rawHeaders[i + 1] ?? '') : `${headers[name]}, ${rawHeaders[i + 1]}`;
  }
  const socket = {
    remoteAddress: peer,
    remotePort: 1234,
    ...(encrypted === true && { encrypted, getCipher: () => ({ name: 'TLS_AES_128_GCM_SHA256' }) }),
  };
  const message = {
    url,
    method,
    rawHeaders,
    headers,
    socket,
    connection: socket,
    originalUrl: parts.originalUrl,
  };
  return nodeRequest(message as unknown as IncomingMessage, httpSettings({ trustProxy }));
}

describe('nodeRequest', () => {
  it('reads headers whatever their case and joins repeated ones', () => {
    const view = request({
      headers: ['Cookie', 'a=1', 'X-A', 'b', 'cookie', 'c=2', 'x-a', 'd', 'HOST', 'h'],
    });
    expect(view.header('cookie')).toBe('a=1; c=2');
    expect(view.header('x-a')).toBe('b, d');
    expect(view.header('x')).toBeUndefined();
    expect(view.host).toBe('h');
  });

  it.each([
    ['/a/b?x=1', '/a/b', ['1']],
    ['/a', '/a', []],
    ['/a?x=1&y=2&x=%33', '/a', ['1', '3']],
    ['/a?%78=1', '/a', ['1']],
    ['/a??x=1', '/a', []],
    ['/a#?x=1', '/a', []],
    ['/a?x=1#x=2', '/a', ['1']],
    ['*', '*', []],
    ['http://host:1/a?x=1', '/a', ['1']],
    ['http://host', '/', []],
  ])('takes %s apart', (url, path, values) => {
    const view = request({ url });
    expect([view.path, view.query('x')]).toEqual([path, values]);
  });

  it('sees the URL that the client sent, not what a mount left of it', () => {
    expect(request({ url: '/x', originalUrl: '/api/x?q=1' }).path).toBe('/api/x');
  });

  it('lets the authority of an absolute target go before Host', () => {
    expect(request({ url: 'http://a.example:81/', headers: ['Host', 'b.example'] }).host).toBe(
      'a.example:81',
    );
  });

  it('tells the client of a plain and of an encrypted connection', () => {
    expect(
      request({ peer: '::ffff:198.51.100.7', headers: ['User-Agent', 'u'.repeat(600)] }).client(),
    ).toEqual({
      ip: '198.51.100.7',
      port: 1234,
      cipher: '',
      userAgent: 'u'.repeat(512),
      attributes: {},
    });
    const view = request({ encrypted: true });
    expect([view.secure, view.client().cipher]).toEqual([true, 'TLS_AES_128_GCM_SHA256']);
  });
});

describe('X-Forwarded-*', () => {
  const forwarded = [
    'Host',
    'inner',
    'X-Forwarded-For',
    '192.0.2.1',
    'X-Forwarded-Proto',
    'https',
    'X-Forwarded-Host',
    'outer',
  ];

  it('is not believed from anybody by default', () => {
    const view = request({ headers: forwarded });
    expect([view.client().ip, view.secure, view.host, view.untrustedProxy]).toEqual([
      '203.0.113.9',
      false,
      'inner',
      false,
    ]);
  });

  it('is not believed from a peer outside the list', () => {
    const view = request({ headers: forwarded }, ['10.0.0.0/8']);
    expect([view.client().ip, view.secure, view.host]).toEqual(['203.0.113.9', false, 'inner']);
  });

  it.each([['203.0.113.9'], ['::ffff:203.0.113.9']])('is believed from a trusted peer: %s', (peer) => {
    const view = request({ peer, headers: forwarded }, ['203.0.113.0/24']);
    expect([view.client().ip, view.client().port, view.secure, view.host]).toEqual([
      '192.0.2.1',
      0,
      true,
      'outer',
    ]);
  });

  it.each([
    // X-Forwarded-For, X-Forwarded-Proto -> address, secure
    ['6.6.6.6, 192.0.2.1', 'https, http', '192.0.2.1', false],
    ['6.6.6.6, 192.0.2.1, 10.0.0.2', 'http, https, http', '192.0.2.1', true],
    ['192.0.2.1, 10.0.0.2', 'https', '192.0.2.1', true],
    ['10.0.0.3, 10.0.0.2', 'https', '10.0.0.3', true],
    ['not an address', 'https', '10.0.0.1', true],
    ['6.6.6.6, unknown', 'HTTPS', '10.0.0.1', true],
    ['::ffff:192.0.2.1', 'http', '192.0.2.1', false],
  ])(
    'takes the right-most untrusted address, and what its proxy said: %s | %s',
    (list, scheme, ip, secure) => {
      const headers = ['X-Forwarded-For', list, 'X-Forwarded-Proto', scheme];
      const view = request({ peer: '10.0.0.1', headers }, ['10.0.0.0/8']);
      expect([view.client().ip, view.secure]).toEqual([ip, secure]);
    },
  );

  it.each([
    ['127.0.0.1', 'X-Forwarded-For', true],
    ['::1', 'Forwarded', true],
    ['::ffff:172.16.3.4', 'X-Forwarded-For', true],
    ['192.168.1.1', 'X-Other', false],
    ['203.0.113.9', 'X-Forwarded-For', false],
  ])('marks a near peer that forwards without being trusted: %s %s', (peer, name, marked) => {
    expect(request({ peer, headers: [name, 'for=1.2.3.4'] }).untrustedProxy).toBe(marked);
    expect(
      request({ peer, headers: [name, 'for=1.2.3.4'] }, ['0.0.0.0/1', '128.0.0.0/1', '::/1']).untrustedProxy,
    ).toBe(false);
  });

  it.each([[true], ['10.0.0.1'], [[1]], [['10.0.0.0/99']], [['example.com']]])(
    '%j is no list of proxies',
    (trustProxy) => {
      const options = { trustProxy: trustProxy as unknown as string[] };
      expect(() => httpSettings(options)).toThrowError(
        expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining('trustProxy') }),
      );
    },
  );

  it('makes cookies secure and judges origins on real requests, from a trusted proxy only', async () => {
    const w = world();
    const listen = (trustProxy: readonly string[]) =>
      serve(
        sessionHandler(
          w.service,
          (_request, response, session) => {
            session.set('n', 1);
            response.end(`${session.client.ip}`);
          },
          { trustProxy },
        ),
      );
    const headers = {
      'x-forwarded-for': '192.0.2.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'shop.example',
      origin: 'https://shop.example',
    };
    const trusting = await ask((await listen(['127.0.0.1'])).port, '/', { method: 'POST', headers });
    expect([trusting.status, trusting.body]).toEqual([200, '192.0.2.1']);
    expect(trusting.headers['set-cookie']?.[0]).toContain('; Secure');
    const { port } = await listen([]);
    expect((await ask(port, '/', { method: 'POST', headers })).status).toBe(403);
    const plain = await ask(port, '/', { headers });
    expect(plain.body).toBe('127.0.0.1');
    expect(plain.headers['set-cookie']?.[0]).not.toContain('Secure');
  });
});

describe('redactUrl', () => {
  it.each([
    ['/a?_token=abc', '/a?_token=REDACTED'],
    ['/a?x=1&_token=abc&y=2', '/a?x=1&_token=REDACTED&y=2'],
    ['/a?_token=a=b&_token=', '/a?_token=REDACTED&_token=REDACTED'],
    ['/a?%5Ftoken=abc', '/a?%5Ftoken=REDACTED'],
    ['/a?%5f%74oken=abc#_token=z', '/a?%5f%74oken=REDACTED#_token=z'],
    ['http://h/a?my+key=1', 'http://h/a?my+key=REDACTED'],
    ['/a?my%20key=1', '/a?my%20key=REDACTED'],
    ['/a?_TOKEN=abc', '/a?_TOKEN=abc'],
    ['/a?_token', '/a?_token'],
    ['/a?_token%=abc&%zz=1', '/a?_token%=abc&%zz=1'],
    ['/_token=abc', '/_token=abc'],
    ['http://user:password@h/a?_token=abc', 'http://h/a?_token=REDACTED'],
    ['http://user@h:1/@', 'http://h:1/@'],
    ['/a//user@h', '/a//user@h'],
  ])('%s -> %s', (url, safe) => {
    expect(redactUrl(url, ['_token', 'my key'])).toBe(safe);
  });

  it('takes out a user also where no parameter is a credential', () => {
    expect(redactUrl('http://user:password@h/a?b', [])).toBe('http://h/a?b');
  });

  it('takes out every name that the request itself would be read by', () => {
    for (const name of ['_token', '%5Ftoken', '%5f%54oken', '+_token', '?_token', '_to%6ben', '_token%00']) {
      const url = `/p?a=1&${name}=secret`;
      const read = request({ url }).query('_token').includes('secret');
      expect([name, redactUrl(url, ['_token']).includes('secret')]).toEqual([name, !read]);
    }
  });
});
