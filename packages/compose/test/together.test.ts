import { join } from 'node:path';
import { trustedProxies } from '@sessionkit/session-core';
import { expect, it } from 'vitest';
import { readConfig } from '../src/index.js';
import { conditions, home, read } from './reading.js';

/** `path: message` of every problem. */
async function problemsOf(text: string): Promise<string[]> {
  const { problems } = await read('good/together.yaml', text);
  return problems.map(({ path, message }) => `${path}: ${message}`);
}

it('a wrong router hides nothing about the session of its service', async () => {
  const found = await problemsOf(`
services:
  a: { session: { transport: { type: cookie }, backend: { type: memory } } }
  b: { session: { transport: { type: cookie }, backend: { type: memory } }, router: { type: prxy } }
`);
  expect(found).toHaveLength(2);
  expect(found[0]).toContain('services.b: "a" and "b" use the cookie "sxapi-sess" on one backend');
  expect(found[1]).toContain('services.b.router.type: there is no router "prxy"');
});

it('a listener without a service still shows that its port is taken', async () => {
  const found = await problemsOf(`
services: { a: { session: false, router: { type: proxy, servers: [s] } } }
servers: { s: { url: 'http://127.0.0.1:1' } }
listeners: { one: { service: a, port: 9000 }, two: { port: 9000 } }
`);
  expect(found).toEqual([
    expect.stringContaining('listeners.two'),
    expect.stringContaining('listeners.two.port: 127.0.0.1:9000 is taken already by listener "one"'),
  ]);
});

it.each([
  '10.0.0.0/8',
  '10.0.0.0/33',
  '::1',
  'fd00::/8',
  '::/129',
  'fe80::1%eth0',
  '::ffff:10.0.0.7',
  '::ffff:10.0.0.0/8',
  '::FFFF:10.0.0.0/95',
  '::ffff:10.0.0.0/96',
  '::ffff:10.0.0.0/128',
  '::ffff:10.0.0.0/129',
  '0:0:0:0:0:ffff:10.0.0.0/8',
])('the proxy "%s" is taken exactly when it can be trusted later', async (range) => {
  const { config, problems } = await read(
    'good/together.yaml',
    `services: { a: {} }\ntrust_proxy: ["${range}"]`,
  );
  if (config === undefined) expect(problems.map(({ path }) => path)).toEqual(['trust_proxy[0]']);
  const trust = () => trustedProxies([range]);
  if (config === undefined) expect(trust).toThrow('trustProxy');
  else expect(trust).not.toThrow();
});

it('an entry of the transports that is none hides no mistake of the others', async () => {
  const found = await problemsOf(`
session: { transport: [{ typ: cookie }, { type: token, parm: x }], backend: { type: memory } }
services: { a: {} }
`);
  expect(found.map((text) => text.split(':')[0])).toEqual([
    'session.transport[0].type',
    'session.transport[1].parm',
  ]);
});

it('a merge takes what the named map has from others, and its own keys win', async () => {
  const { config } = await read(
    'good/merges.yaml',
    `
services:
  a: { session: &a { mode: required, duration: 100, transport: { type: bearer }, backend: { type: memory } } }
  b: { session: &b { <<: *a, duration: 200 } }
  c: { session: { <<: *b, keep_ended: 5 } }
`,
  );
  expect(config?.services.get('c')?.session?.options).toMatchObject({
    session: 'required',
    duration: 200_000,
    keepEnded: 5_000,
  });
});

it.each(['file://elsewhere/x.mjs', 'file:%zz', 'a\\0/b', 'fs/promises', '@/', '/'])(
  'a module named "%s" is a problem and not a crash',
  async (type) => {
    const found = await problemsOf(
      `services: { a: { session: { transport: { type: bearer }, backend: { type: "${type}" } } } }`,
    );
    expect(found).toEqual([expect.stringMatching(/^services\.a\.session\.backend\.type: /)]);
  },
);

it('a module that throws undefined is a problem and not a crash', async () => {
  const found = await problemsOf(
    'services: { a: { session: false, router: { type: ../modules/throws-nothing.mjs } } }',
  );
  expect(found).toEqual([
    expect.stringContaining('../modules/throws-nothing.mjs cannot be loaded: undefined'),
  ]);
});

it.each([
  ['a service', 'listeners: { l: { service: "VALUE", port: 1 } }'],
  ['a server', 'services: { b: { router: { type: proxy, servers: ["xVALUE"] } } }'],
  ['a type', 'session: { backend: { type: "VALUE" } }'],
  ['a file', 'session: { backend: { type: "./VALUE" } }'],
  ['a package', 'session: { transport: { type: "@x/VALUE" } }'],
  ['a resource', 'session: { backend: { type: redis, resource: "VALUE" } }'],
  ['an origin in another case', 'session: { allow_origins: ["https://VALUE/path"] }'],
  ['the admin address', 'admin: { listen: "VALUE:80" }'],
  ['a URL', 'servers: { s: { url: "http://VALUE/x" } }'],
])('what a variable puts into the name of %s is in no message', async (_what, section) => {
  const variables = { S: 'Open-Sesame-77' };
  const written = section.replaceAll('VALUE', `\${S}`);
  const text = written.startsWith('services') ? written : `services: { a: {} }\n${written}`;
  const file = join(home, 'good/together.yaml');
  const reading = await readConfig({ file, text }, { variables, conditions });
  expect(reading.problems.length).toBeGreaterThan(0);
  expect(JSON.stringify([reading.problems, reading.warnings])).not.toMatch(/open-sesame/i);
});
