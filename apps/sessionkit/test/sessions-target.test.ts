import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { list } from '../src/sessions/index.js';
import type { TargetOptions } from '../src/sessions/options.js';
import { findTarget } from '../src/sessions/target.js';
import { instant, leaves, span, Table } from '../src/sessions/text.js';
import {
  capture,
  PASSWORD,
  setEnvironment,
  startApi,
  startFake,
  target,
  temporaryFolder,
} from './sessions-help.js';

const WITH_PASSWORD = { SESSIONKIT_ADMIN_PASSWORD: PASSWORD };
const find = (options: Partial<TargetOptions> = {}) => findTarget({ timeout: 5, ...options });

function fileOf(text: string, mode: number): string {
  const file = join(temporaryFolder(), 'password');
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

describe('where the API is', () => {
  it.each([
    [{}, {}, 'http://127.0.0.1:8989'],
    [{}, { SESSIONKIT_ADMIN_URL: 'http://localhost:1' }, 'http://localhost:1'],
    [
      { url: 'https://ops.example.com' },
      { SESSIONKIT_ADMIN_URL: 'http://localhost:1' },
      'https://ops.example.com',
    ],
    [{ url: 'https://ops.example.com/ops/v1/' }, {}, 'https://ops.example.com/ops'],
    [{ url: 'http://[::1]:8989/' }, {}, 'http://[::1]:8989'],
    [{ url: 'http://10.0.0.5:8989', insecure: true }, {}, 'http://10.0.0.5:8989'],
  ])('%j with %j is %s', async (options, variables, url) => {
    setEnvironment({ ...WITH_PASSWORD, ...variables });
    expect((await find(options))?.url).toBe(url);
  });

  it.each([
    ['ops.example.com', /must begin with http/],
    ['ftp://ops.example.com', /must begin with http/],
    ['https://admin:pw@ops.example.com', /must not hold a password.*--password-file/],
    ['https://ops.example.com/?x=1', /must end with its path/],
    ['http://ops.example.com', /in the clear: use https/],
    ['http://127.0.0.1.example.com', /in the clear/],
  ])('%s is refused', async (url, message) => {
    setEnvironment(WITH_PASSWORD);
    await expect(find({ url })).rejects.toThrow(message);
  });

  it.each([
    ['{ listen: "127.0.0.1:7001" }', 'http://127.0.0.1:7001'],
    ['{ listen: "0.0.0.0:7001", insecure: true }', 'http://127.0.0.1:7001'],
    ['{ listen: "[::]:7001", insecure: true }', 'http://[::1]:7001'],
  ])('a configuration with %s leads to %s', async (admin, url) => {
    setEnvironment(WITH_PASSWORD);
    const config = join(temporaryFolder(), 'sessionkit.yaml');
    writeFileSync(config, `services: { shop: {} }\nadmin: ${admin}\n`);
    expect((await find({ config }))?.url).toBe(url);
  });

  it.each([
    ['admin: false', /it has no admin API; name one by --url/],
    ['admin: { listen: "127.0.0.1:0" }', /takes a free port.*--url/],
  ])('a configuration with %s leads nowhere', async (admin, message) => {
    setEnvironment(WITH_PASSWORD);
    const config = join(temporaryFolder(), 'sessionkit.yaml');
    writeFileSync(config, `services: { shop: {} }\n${admin}\n`);
    await expect(find({ config })).rejects.toThrow(message);
  });

  it('a wrong configuration is told with its problems, and ends the command', async () => {
    setEnvironment(WITH_PASSWORD);
    const config = join(temporaryFolder(), 'sessionkit.yaml');
    writeFileSync(config, 'servces: {}\n');
    const { code, stderr } = await capture(() => list({ timeout: 5, config }));
    expect(code).toBe(1);
    expect(stderr).toContain('servces');
  });
});

describe('who asks', () => {
  it.each([
    [{}, {}, 'admin'],
    [{}, { SESSIONKIT_ADMIN_USER: 'ann' }, 'ann'],
    [{ userName: 'bob' }, { SESSIONKIT_ADMIN_USER: 'ann' }, 'bob'],
  ])('%j with %j is %s', async (options, variables, user) => {
    setEnvironment({ ...WITH_PASSWORD, ...variables });
    expect(await find(options)).toMatchObject({ user, password: PASSWORD });
  });

  it('the password is that of the environment, or of a file that is named and only its owner reads', async () => {
    setEnvironment({});
    const passwordFile = fileOf('from the file\r\nand more\n', 0o600);
    expect(await find({ passwordFile })).toMatchObject({
      password: 'from the file',
      passwordFrom: passwordFile,
    });
    setEnvironment(WITH_PASSWORD);
    expect(await find({ passwordFile })).toMatchObject({ password: 'from the file' });
    expect(await find()).toMatchObject({ password: PASSWORD, passwordFrom: 'SESSIONKIT_ADMIN_PASSWORD' });
  });

  it('the password of the first start is found beside the users file, for the user that it made', async () => {
    setEnvironment({});
    const folder = temporaryFolder();
    const config = join(folder, 'sessionkit.yaml');
    writeFileSync(config, 'services: { shop: {} }\nadmin: { users_file: ops.json }\n');
    writeFileSync(join(folder, 'ops.json.password'), 'made at first\n', { mode: 0o600 });
    expect(await find({ config })).toMatchObject({ user: 'admin', password: 'made at first' });
    await expect(find({ config, userName: 'ann' })).rejects.toThrow(/there is no password for ann/);
  });

  it.each([
    ['that others can read', 'x\n', 0o640, /others can read this password file: chmod 600/],
    ['that is empty', '', 0o600, /there is no password in its first line/],
    ['whose first line is empty', '\nx\n', 0o600, /there is no password in its first line/],
  ])('a password file %s is refused', async (_what, text, mode, message) => {
    setEnvironment({});
    await expect(find({ passwordFile: fileOf(text, mode) })).rejects.toThrow(message);
  });

  it('files that are not there are named, with what they were for', async () => {
    setEnvironment(WITH_PASSWORD);
    await expect(find({ passwordFile: '/nowhere/p' })).rejects.toThrow(
      '/nowhere/p: the password file cannot be read (ENOENT)',
    );
    await expect(find({ ca: '/nowhere/ca' })).rejects.toThrow('/nowhere/ca: --ca cannot be read (ENOENT)');
    await expect(find({ cert: '/nowhere/c' })).rejects.toThrow('--cert and --key belong together');
    await expect(find({ cert: '/nowhere/c', key: '/nowhere/k' })).rejects.toThrow('--cert cannot be read');
  });

  it('without a password and a terminal it is told what to do', async () => {
    setEnvironment({});
    await expect(find()).rejects.toThrow(
      'there is no password for admin: set SESSIONKIT_ADMIN_PASSWORD, or give --password-file FILE ("-" for stdin), or go where the sessionkit.yaml is, which is not in this folder; --user-name names another user',
    );
  });
});

describe('an API that does not answer as it should', () => {
  it('is not there', async () => {
    const url = 'http://127.0.0.1:1';
    const { code, stdout, stderr } = await capture(() => list(target(url)));
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe(
      `error: ${url}: nothing listens there; is the program running, and is that its admin API? --url names another one\n`,
    );
  });

  it('does not know the user, or the password', async () => {
    const { url } = await startApi();
    const { code, stderr } = await capture(() => list(target(url, { userName: 'nobody' })));
    expect(code).toBe(1);
    expect(stderr).toBe(
      `error: ${url} refuses the user nobody with the password from SESSIONKIT_ADMIN_PASSWORD\n`,
    );
    expect(stderr).not.toContain(PASSWORD);
  });

  it('refuses a filter, in its own words', async () => {
    const { url } = await startApi();
    const { code, stderr } = await capture(() => list({ ...target(url), filter: '/id=nonsense(1)' }));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: Not a valid filter expression: .* \(400 Bad Request\)\n$/);
  });

  it.each<[string, number, string, RegExp]>([
    [
      'a page of a proxy',
      502,
      '<h1>Bad Gateway</h1>',
      /answered 502 Bad Gateway, and not as the admin API does/,
    ],
    ['no JSON', 200, '<html>', /the answer is no JSON document/],
    ['another document', 200, '{"data":{}}', /the answer is no list of sessions/],
    ['rows that are none', 200, '{"data":[1]}', /the answer is no list of sessions/],
    ['a redirect', 302, '', /answered 302 Found, and not as the admin API does/],
    [
      'a store that is down',
      503,
      '{"errors":[{"detail":"The session store cannot be reached."}]}',
      /^error: The session store cannot be reached\. \(503 Service Unavailable\)\n$/,
    ],
    ['403', 403, '{"errors":[{"detail":"no"}]}', /admin may not do this: no/],
    [
      'too many passwords',
      429,
      '{"errors":[{"detail":"a"},{"detail":"b"}]}',
      /a; b \(429 Too Many Requests\)/,
    ],
    [
      'a next page that is the same again',
      200,
      `{"data":[],"links":{"next":"http://x/?page%5Bafter%5D=s${'0'.repeat(26)}"}}`,
      /the next page is none that follows/,
    ],
  ])('%s', async (_what, status, body, message) => {
    const url = await startFake((_request, response) => response.writeHead(status).end(body));
    const { code, stdout, stderr } = await capture(() => list(target(url)));
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(message);
  });

  it('says nothing', async () => {
    const url = await startFake(() => {});
    const { code, stderr } = await capture(() => list(target(url, { timeout: 0.2 })));
    expect(code).toBe(1);
    expect(stderr).toBe(`error: ${url} has said nothing for 0.2 s; --timeout waits longer\n`);
  });

  it('is cut in the middle: what came before is shown, and that it is not all', async () => {
    let asked = 0;
    const row = (id: string) => ({ id, type: 'sessions', attributes: {}, relationships: {} });
    const url = await startFake((_request, response) => {
      if (asked++ > 0) {
        response.writeHead(200);
        response.write('{"data":[');
        setTimeout(() => response.destroy(), 20);
      } else
        response.end(
          JSON.stringify({ data: [row('s1')], links: { next: 'http://elsewhere.example/?page[after]=s1' } }),
        );
    });
    const { code, stdout, stderr } = await capture(() => list(target(url)));
    expect(code).toBe(1);
    expect(stdout).toMatch(/^ID .*\ns1 /);
    expect(stderr).toMatch(/the connection was cut in the middle of the answer/);
    expect(asked).toBe(2);
  });

  it('sends to another host: the password does not follow', async () => {
    let followed = 0;
    const other = await startFake((_request, response) => {
      followed++;
      response.end('{"data":[]}');
    });
    const url = await startFake((_request, response) => response.writeHead(307, { location: other }).end());
    expect((await capture(() => list(target(url)))).code).toBe(1);
    expect(followed).toBe(0);
  });

  it('speaks HTTP where HTTPS is asked for', async () => {
    const url = (await startFake((_request, response) => response.end())).replace('http:', 'https:');
    const { code, stderr } = await capture(() => list(target(url)));
    expect(code).toBe(1);
    expect(stderr).toMatch(/does not speak TLS as expected \(\w+\); is it http:\/\/ or https:\/\/\?/);
  });

  it('has no such name', async () => {
    const { code, stderr } = await capture(() => list(target('https://no-such-host.invalid')));
    expect(code).toBe(1);
    expect(stderr).toMatch(/there is no host of that name|cannot be looked up/);
  });
});

describe('an API with TLS', () => {
  const at = (name: string) =>
    join(import.meta.dirname, '..', '..', 'admin-api', 'test', 'fixtures', 'tls', name);
  const read = (name: string) => readFileSync(at(name));

  /** Asks for a certificate of the client. */
  async function startTls(address = '127.0.0.1'): Promise<string> {
    const server = createServer(
      {
        cert: read('admin.crt'),
        key: read('admin.key'),
        ca: read('ca.crt'),
        requestCert: true,
        rejectUnauthorized: true,
      },
      (_request, response) => response.end('{"data":[]}'),
    ).listen(0, address);
    await new Promise((resolve) => server.once('listening', resolve));
    onTestFinished(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    return `https://${address}:${(server.address() as AddressInfo).port}`;
  }

  const ca = at('ca.crt');
  const mine = { cert: at('client.crt'), key: at('client.key') };

  it('is shown the certificate of the client', async () => {
    const url = await startTls();
    expect((await capture(() => list(target(url, { ca, ...mine })))).code).toBe(0);
    const without = await capture(() => list(target(url, { ca })));
    expect(without).toMatchObject({ code: 1, stdout: '' });
    expect(without.stderr).toMatch(
      /it refuses your certificate, or asks for one \(\w+\); give it by --cert and --key/,
    );
  });

  it('whose certificate nobody trusts, or is for another name, is told apart', async () => {
    const untrusted = await capture(() => list(target('https://127.0.0.1:1', { ca })));
    expect(untrusted.stderr).toMatch(/nothing listens there/);
    const url = await startTls();
    const unknown = await capture(() => list(target(url, { ca: at('client.crt'), ...mine })));
    expect(unknown.stderr).toMatch(/its certificate is not trusted \(\w+\); --ca FILE/);
    const { port } = new URL(url);
    const config = join(temporaryFolder(), 'sessionkit.yaml');
    const tls = `{ cert: ${JSON.stringify(at('client.crt'))}, key: ${JSON.stringify(at('client.key'))} }`;
    writeFileSync(config, `services: { shop: {} }\nadmin: { listen: "127.0.0.1:${port}", tls: ${tls} }\n`);
    setEnvironment(WITH_PASSWORD);
    const replaced = await capture(() => list({ timeout: 5, config, ...mine }));
    expect(replaced.stderr).toMatch(/it is not that of admin\.tls\.cert; .* SIGHUP has the program read it/);
    const other = await startTls('127.0.0.2');
    const wrong = await capture(() => list(target(other, { ca, ...mine })));
    expect(wrong.stderr).toMatch(/its certificate is for another name; --url must name the host/);
  });
});

describe('text', () => {
  it.each([
    [0, '0 s'],
    [59.6, '59.6 s'],
    [100, '1 min'],
    [5_999, '99 min'],
    [6_000, '1 h 40 min'],
    [172_799, '47 h 59 min'],
    [172_800, '2 d 0 h'],
    [undefined, ''],
  ])('%s seconds are %j', (seconds, text) => {
    expect(span(seconds)).toBe(text);
  });

  it.each([
    ['Fri, 05 Jan 2024 07:24:06 GMT', '2024-01-05T07:24:06Z'],
    ['yesterday\u0007', 'yesterday\\u{7}'],
    [undefined, ''],
  ])('the instant %j is %j', (value, text) => {
    expect(instant(value)).toBe(text);
  });

  it('a table widens as wider rows come, and counts columns and not characters', () => {
    const table = new Table(['A', 'B']);
    expect(table.add([['漢字', 'x']])).toBe('A     B\n漢字  x\n');
    expect(
      table.add([
        ['e\u0301', 'y'],
        ['longer', 'z'],
      ]),
    ).toBe('e\u0301       y\nlonger  z\n');
    expect(table.add([])).toBe('');
  });

  it('leaves of a value are told with their paths, empty ones too', () => {
    const value = { a: { b: [1, { c: null }] }, d: [], e: {}, f: 'x' };
    expect([...leaves(value, '')]).toEqual([
      ['a.b.0', 1],
      ['a.b.1.c', '-'],
      ['d', '-'],
      ['e', '-'],
      ['f', 'x'],
    ]);
  });
});
