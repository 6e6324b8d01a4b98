import { once } from 'node:events';
import { chmod, copyFile, readFile, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request as plainRequest } from 'node:http';
import { type RequestOptions, request as tlsRequest } from 'node:https';
import { connect as plainConnect } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { testEnvironment } from '@sessionkit/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type AdminApi, type ServeOptions, serveAdmin } from '../src/index.js';
import { readTls } from '../src/tls.js';
import { ADMIN, basic, type Fixture, fixture, temporaryFolder } from './fixture.js';

const folder = join(import.meta.dirname, 'fixtures', 'tls');
const at = (name: string) => join(folder, name);
const PAIR = { cert: at('admin.crt'), key: at('admin.key') };
const headers = { authorization: basic(ADMIN.name, ADMIN.password) };

async function serve(f: Fixture, options: Partial<ServeOptions> = {}) {
  const server = await serveAdmin({
    api: f.api,
    port: 0,
    tls: PAIR,
    environment: f.environment,
    ...options,
  });
  onTestFinished(async () => void (await server.close(0)));
  return server;
}

async function get(url: string, options: RequestOptions = {}): Promise<{ status: number; body: string }> {
  const send = url.startsWith('https:') ? tlsRequest : plainRequest;
  const ca = await readFile(at('ca.crt'));
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    send(url, { headers, ca, agent: false, ...options }, resolve)
      .on('error', reject)
      .end();
  });
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += chunk;
  return { status: response.statusCode ?? 0, body };
}

describe('TLS', () => {
  test('is spoken with the certificate of the file, and links and tokens know it', async () => {
    const f = await fixture();
    const { id } = await f.start();
    const server = await serve(f);
    expect(server.url).toBe(`https://127.0.0.1:${server.port}`);
    const list = JSON.parse((await get(`${server.url}/v1/sessions`)).body) as {
      data: { links: { self: string } }[];
      links: { self: string };
    };
    expect(list.links.self).toBe(`${server.url}/v1/sessions/`);
    expect(list.data[0]?.links.self).toBe(`${server.url}/v1/sessions/${id}/`);
    expect((await get(list.data[0]?.links.self ?? '')).status).toBe(200);
    expect((await get(`${server.url}/v1/auth`)).status).toBe(200);
  });

  test('is what lets it listen beyond loopback', async () => {
    const f = await fixture();
    const server = await serve(f, { address: '0.0.0.0' });
    expect((await get(`https://127.0.0.1:${server.port}/v1/`)).status).toBe(200);
  });

  test('is closed without waiting for connections that say nothing, before or after their handshake', async () => {
    const f = await fixture();
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let closing: Promise<boolean> | undefined;
    const api: AdminApi = {
      async fetch(request, peer) {
        closing = server.close(20_000);
        await gate;
        return f.api.fetch(request, peer);
      },
    };
    const server = await serve({ ...f, api });
    const { port } = server;
    const ca = await readFile(at('ca.crt'));
    const plain = plainConnect(port, '127.0.0.1').resume();
    const secure = connect({ port, host: '127.0.0.1', ca }).resume();
    await Promise.all([once(plain, 'connect'), once(secure, 'secureConnect')]);
    const gone = Promise.all([once(plain, 'close'), once(secure, 'close')]);
    const answer = get(`${server.url}/v1/`);
    await gone;
    release();
    expect((await answer).status).toBe(200);
    expect(await closing).toBe(true);
  }, 5_000);

  test('is all that is spoken: plain HTTP gets no answer, and nothing falls over', async () => {
    const f = await fixture();
    const server = await serve(f);
    await expect(get(server.url.replace('https', 'http'))).rejects.toThrow();
    expect((await get(`${server.url}/v1/`)).status).toBe(200);
    expect(f.access.map(({ status }) => status)).toEqual([200]);
  });

  test.each([
    [undefined, 'TLSv1.1', false],
    [undefined, 'TLSv1.2', true],
    ['TLSv1.3', 'TLSv1.2', false],
    ['TLSv1.3', 'TLSv1.3', true],
  ] as const)('from %s on is spoken with a client of %s: %s', async (minVersion, version, works) => {
    const f = await fixture();
    const server = await serve(f, { tls: { ...PAIR, minVersion } });
    const options = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' };
    const asked = get(`${server.url}/healthz`, options);
    if (works) expect((await asked).status).toBe(200);
    else await expect(asked).rejects.toThrow();
  });

  test('asks clients for a certificate when it knows whose', async () => {
    const f = await fixture();
    const server = await serve(f, { tls: { ...PAIR, ca: at('ca.crt') } });
    const client = { cert: await readFile(at('client.crt')), key: await readFile(at('client.key')) };
    expect((await get(`${server.url}/v1/`, client)).status).toBe(200);
    await expect(get(`${server.url}/v1/`)).rejects.toThrow();
    // A certificate lets a client in; who it is, the password says.
    expect((await get(`${server.url}/v1/`, { ...client, headers: {} })).status).toBe(401);
  });

  test('answers what is malformed in it, like plain HTTP does', async () => {
    const f = await fixture();
    const { port } = await serve(f);
    const socket = connect({ port, host: '127.0.0.1', ca: await readFile(at('ca.crt')) });
    socket.write('rubbish\r\n\r\n');
    let answer = '';
    for await (const chunk of socket.setEncoding('latin1')) answer += chunk;
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(f.access).toMatchObject([{ action: 'malformed', status: 400, address: '127.0.0.1' }]);
  });
});

describe('a file of TLS that is wrong', () => {
  const cases: [string, Partial<Record<'cert' | 'key' | 'ca', string>>, RegExp][] = [
    [
      'a certificate that is not there',
      { cert: at('none.crt') },
      /^admin\.tls\.cert: \S+none\.crt cannot be read \(ENOENT\)\. Name a PEM file/,
    ],
    [
      'a key that is not there',
      { key: at('none.key') },
      /^admin\.tls\.key: \S+none\.key cannot be read \(ENOENT\)/,
    ],
    ['a folder', { cert: folder }, /^admin\.tls\.cert: \S+ cannot be read \(EISDIR\)/],
    [
      'a key in the place of the certificate',
      { cert: at('admin.key') },
      /^admin\.tls\.cert: \S+admin\.key holds no certificate in PEM form/,
    ],
    [
      'a certificate in the place of the key',
      { key: at('admin.crt') },
      /^admin\.tls\.key: \S+admin\.crt holds no private key in PEM form/,
    ],
    [
      'the key of another certificate',
      { key: at('client.key') },
      /^admin\.tls\.key: \S+client\.key is not the key of the certificate in \S+admin\.crt\. Name the pair/,
    ],
    [
      'an encrypted key',
      { key: at('encrypted.key') },
      /^admin\.tls\.key: \S+encrypted\.key is encrypted\. Decrypt it .* openssl pkey/,
    ],
    [
      'authorities that are none',
      { ca: at('admin.key') },
      /^admin\.tls\.ca: \S+admin\.key holds no certificate/,
    ],
  ];

  test.each(cases)(
    '(%s) is an error with its key, its path and the fix, before anything listens',
    async (_name, files, message) => {
      const f = await fixture();
      const started = serveAdmin({ api: f.api, port: 0, tls: { ...PAIR, ...files } });
      await expect(started).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(message),
      });
      await expect(started).rejects.not.toMatchObject({
        message: expect.stringContaining('PRIVATE KEY-----\n'),
      });
    },
  );

  test('(a key that may not be read) says so', async () => {
    const key = join(await temporaryFolder(), 'admin.key');
    await copyFile(at('admin.key'), key);
    await chmod(key, 0);
    const reading = readTls({ ...PAIR, key }, testEnvironment());
    // Root may read everything.
    if (process.getuid?.() === 0) await expect(reading).resolves.toMatchObject({ minVersion: 'TLSv1.2' });
    else await expect(reading).rejects.toMatchObject({ message: expect.stringContaining('EACCES') });
  });

  test('(half a file) is an error too', async () => {
    const cert = join(await temporaryFolder(), 'admin.crt');
    const whole = await readFile(PAIR.cert, 'utf8');
    await writeFile(cert, whole.slice(0, whole.length / 2));
    await expect(readTls({ ...PAIR, cert }, testEnvironment())).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`admin.tls.cert: ${cert} `),
    });
  });

  test('(a certificate whose time is over, or has not begun) is a warning that says when it is valid', async () => {
    for (const [year, warnings] of [
      [2030, 0],
      [2190, 1],
      [2001, 1],
    ] as const) {
      const environment = testEnvironment({ start: Date.UTC(year, 0, 1) });
      await readTls(PAIR, environment);
      expect([year, environment.entries.length]).toEqual([year, warnings]);
      if (warnings > 0) {
        expect(environment.entries[0]).toMatchObject({
          level: 'warning',
          message: expect.stringMatching(/^admin\.tls\.cert: \S+ is valid from .* to .*, and so not now/),
        });
      }
    }
  });
});
