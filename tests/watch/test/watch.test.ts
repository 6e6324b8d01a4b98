import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Searched, search, verdict } from '../src/search.mjs';

const here = import.meta.dirname;

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'sessionkit-watch-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Runs the gateway of 'program.mjs', broken in the named way, and searches what it let out. */
async function watched(leak: string): Promise<Searched> {
  const reports = folder();
  const preload = new URL('../src/preload.mjs', import.meta.url).href;
  const env = { ...process.env, SESSIONKIT_REPORT_DIR: reports, NODE_OPTIONS: `--import=${preload}` };
  await promisify(execFile)(process.execPath, [join(here, 'program.mjs'), leak], { env });
  return search(reports);
}

describe('a gateway, its client and a service, in one process', () => {
  test('that keep to the rules: the token is seen where it is handed out and presented, and nowhere else', async () => {
    const result = await watched('nothing');
    expect(result.found).toEqual([]);
    expect(result.watched).toBeGreaterThanOrEqual(1);
    // Set-Cookie once or more; Cookie three times; Authorization and the parameter.
    expect(result.allowed).toBeGreaterThanOrEqual(6);
    for (const kind of ['request', 'response', 'upstream']) expect(result.bytesOf[kind]).toBeGreaterThan(0);
    expect(verdict(result, false)).toMatchObject({ ok: true });
  });

  test.each([
    ['a logger that writes a line with a cookie', 'logger', 'output', 'as it is'],
    ['a log that goes to a file descriptor', 'descriptor', 'output', 'as it is'],
    ['an error document that repeats the token', 'body', 'response', 'as it is'],
    ['a body in base64', 'base64', 'response', 'in base64'],
    ['a header that hands out no token', 'header', 'response', 'as it is'],
    ['a redirect to an address with the token', 'location', 'response', 'as it is'],
    ['a body that looks like the header that may', 'field', 'response', 'as it is'],
    ['a gateway that passes the cookie on', 'upstream', 'upstream', 'as it is'],
  ])('is caught: %s', async (_, leak, kind, form) => {
    const result = await watched(leak);
    expect(result.found).toEqual(expect.arrayContaining([expect.objectContaining({ kind, form })]));
    const { ok, lines } = verdict(result, false);
    expect(ok).toBe(false);
    expect(lines.at(-1)).toMatch(/^secrets: \d+ watched, \d+ bytes searched, [1-9]\d* found$/);
  });
});

/** A capture as 'sink.mjs' writes it. */
function captured(
  kind: string,
  who: string,
  text: string,
  secret: string,
  what: string,
  label = 'a test',
): Promise<Searched> {
  const reports = folder();
  mkdirSync(join(reports, 'captured'));
  const head = [
    { secret, what },
    { label },
    { open: 1, kind, who },
    { stream: 1, n: Buffer.byteLength(text) },
  ];
  const lines = head.map((line) => JSON.stringify(line)).join('\n');
  writeFileSync(join(reports, 'captured', '1.capture'), `${lines}\n${text}\n`);
  return search(reports);
}

describe('a secret', () => {
  const secret = randomBytes(32).toString('base64url');
  const password = randomBytes(18).toString('base64url');
  /** The texts of the tables name it, so that the names of the tests are the same in every run. */
  const filled = (text: string) =>
    text.replace('TOKEN', `s01m80n3vpwgxakgrz9r5jcfyhz.${secret}`).replace('SECRET', secret);
  const get = 'GET / HTTP/1.1\r\nHost: a\r\n';
  const ok = 'HTTP/1.1 200 OK\r\n';

  test.each([
    ['request', 'a:1', `${get}Cookie: sid=TOKEN\r\n\r\n`],
    ['request', 'a:1', `POST /a HTTP/1.1\r\n\r\nbodyGET /?x=1&_token=TOKEN&y=2 HTTP/1.1\r\n\r\n`],
    ['response', 'a:1', `${ok}set-cookie: sid=TOKEN; Path=/\r\n\r\n`],
    ['response', 'a:1', `${ok}\r\nbody${ok}A: b\r\nSession-Token: TOKEN\r\n\r\n`],
    ['output', 'curl -i http://a', `${ok}Set-Cookie: sid=TOKEN\r\n\r\nhello`],
  ])('may be in a %s (%s): %j', async (kind, who, text) => {
    expect(await captured(kind, who, filled(text), secret, 'session')).toMatchObject({
      found: [],
      allowed: 1,
    });
  });

  test.each([
    ['request', 'a:1', `${get}X-Session-User: TOKEN\r\n\r\n`],
    ['request', 'a:1', `POST / HTTP/1.1\r\n\r\nCookie: sid=TOKEN`],
    ['request', 'a:1', `GET /TOKEN HTTP/1.1\r\n\r\n`],
    ['upstream', 'a:1', `${get}Cookie: sid=TOKEN\r\n\r\n`],
    ['upstream', 'a:1', `GET /?_token=TOKEN HTTP/1.1\r\n\r\n`],
    ['response', 'a:1', `${ok}Vary: Cookie\r\n\r\nSet-Cookie: sid=TOKEN\r\n`],
    ['response', 'a:1', `${ok}Trailer: Session-Token\r\n\r\n0\r\nSession-Token: TOKEN\r\n\r\n`],
    ['response', 'a:1', `${ok}\r\n{"attributes":{"secret":"xSECRETy"}}`],
    ['output', 'node bin/sessionkit.mjs', `{"msg":"visited","cookie":"TOKEN"}\n`],
    ['output', 'sh -c npm start', `Cookie: sid=TOKEN\n`],
    ['log', 'process log', `{ message: 'bad cookie SECRET' }`],
    ['file', 'descriptor 20', 'TOKEN'],
    ['store', 'memory', `save {"id":"s","secretHash":"SECRET"}`],
  ])('must not be in a %s (%s): %j', async (kind, who, text) => {
    const result = await captured(kind, who, filled(text), secret, 'session');
    expect(result).toMatchObject({ found: [{ kind, who, label: 'a test' }], allowed: 0 });
    const { lines } = verdict(result, true);
    expect(lines[0]).toContain('test: a test');
    expect(lines.join('\n')).not.toContain(secret);
  });

  test('of the first admin may be in the line that shows it, in the curl line, and in Basic credentials', async () => {
    const basic = Buffer.from(`admin:${password}`).toString('base64');
    for (const [kind, text] of [
      ['output', `  admin API   http://a/v1/sessions   user admin, password ${password}\n`],
      ['output', `The admin user was made. It is shown this once:\n  admin ${password}\n`],
      ['output', `  curl -s -u admin:${password} 'http://a/v1/sessions'\n`],
      ['request', `${get}Authorization: Basic ${basic}\r\n\r\n`],
    ] as const)
      expect(await captured(kind, 'node', text, password, 'password')).toMatchObject({
        found: [],
        allowed: 1,
      });
    for (const [kind, text] of [
      ['output', `{"level":"notice","msg":"the password is ${password}"}\n`],
      ['output', `login failed: ${basic}\n`],
      ['response', `${ok}Set-Cookie: ${password}\r\n\r\n`],
      ['upstream', `${get}Authorization: Basic ${basic}\r\n\r\n`],
    ] as const)
      expect((await captured(kind, 'node', text, password, 'password')).found).toHaveLength(1);
  });

  test('may be anywhere in what a fuzz run sends, and nowhere else in what anybody answers or logs', async () => {
    const run = async (kind: string, text: string, label: string) =>
      (await captured(kind, 'a:1', filled(text), secret, 'session', label)).found.length;
    const label = 'apps/admin-api/test/fuzz.test.ts > are answered';
    expect(await run('request', 'GET /TOKEN HTTP/1.1\r\n\r\n', label)).toBe(0);
    expect(
      await run('request', 'GET /TOKEN HTTP/1.1\r\n\r\n', 'apps/admin-api/test/auth.test.ts > fuzz.test.tsx'),
    ).toBe(1);
    expect(await run('response', `${ok}\r\n{"detail":"no TOKEN"}`, label)).toBe(1);
    expect(await run('log', 'GET /TOKEN', label)).toBe(1);
    expect(await run('log', 'GET /TOKEN', 'c/tests/kit/kit.test.ts > catches every mutant')).toBe(0);
  });

  test('that nobody issued is not looked for', async () => {
    const result = await captured(
      'log',
      'process log',
      filled('cookie: TOKEN'),
      randomBytes(32).toString('base64url'),
      'session',
    );
    expect(result).toMatchObject({ found: [], watched: 1 });
  });
});

test('a whole run that watched too few secrets, or saw nothing of what matters, does not pass', () => {
  const kinds = ['request', 'response', 'upstream', 'output', 'log', 'store'];
  const seen = {
    watched: 500,
    bytes: 6,
    bytesOf: Object.fromEntries(kinds.map((kind) => [kind, 1])),
    allowed: 0,
    found: [],
  };
  expect(verdict(seen, true)).toEqual({
    ok: true,
    lines: ['secrets: 500 watched (at least 500), 6 bytes searched, 0 found'],
  });
  expect(verdict({ ...seen, watched: 499 }, true).ok).toBe(false);
  for (const kind of kinds) {
    const { ok, lines } = verdict({ ...seen, bytesOf: { ...seen.bytesOf, [kind]: 0 } }, true);
    expect(ok).toBe(false);
    expect(lines[0]).toBe(`secrets: nothing was captured of: ${kind}`);
  }
});

describe('what the program sessionkit sends', () => {
  test.each([
    ['serve', 'upstream'],
    ['sessions', 'request'],
    ['reload', 'request'],
  ])('as the command %s is of the kind %s', async (command, kind) => {
    const server = createServer((_, response) => response.end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const reports = folder();
    const program = join(reports, 'sessionkit.mjs');
    const { port } = server.address() as AddressInfo;
    writeFileSync(
      program,
      `import { get } from 'node:http';\nget('http://127.0.0.1:${port}', (r) => r.resume());\n`,
    );
    const preload = new URL('../src/preload.mjs', import.meta.url).href;
    const env = { ...process.env, SESSIONKIT_REPORT_DIR: reports, NODE_OPTIONS: `--import=${preload}` };
    await promisify(execFile)(process.execPath, [program, command], { env });
    const { bytesOf } = await search(reports);
    expect(Object.keys(bytesOf).filter((each) => (bytesOf[each] ?? 0) > 0)).toEqual([kind]);
  });
});
