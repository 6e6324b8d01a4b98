import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { startDouble } from '@sessionkit/test-stores/couchbase';
import { LONG } from '@sessionkit/test-stores/run';
import { type FaultSuite, faultSuite } from '@sessionkit/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { storeOf } from './store-harness.js';

/** What the names of some cases begin with: one kills the server, and one needs the proxies between it and its clients. */
const SOME = ['killed under load', 'down during a save'];
/** What the double's README says to run on a cluster: projects, and of which tests. */
const EVERYTHING = [['backend-couchbase'], ['couchbase'], ['e2e', '-t', 'ouchbase']];
const EXTERNAL = '/node/controller/setupAlternateAddresses/external';

// The double in the place of a cluster that the environment names: nothing is known of it but what an operator would tell.
const login = { user: 'ann@shop', password: 'p:ss/w0rd', bucket: 'given' };
const double = await startDouble(login);
const operator = createServer(async (request, response) => {
  await (request.url === '/kill' ? double.stop() : double.start());
  response.end();
}).listen(0, '127.0.0.1');
await once(operator, 'listening');
const { port } = operator.address() as AddressInfo;
const command = (what: string) => `"${process.execPath}" -e "fetch('http://127.0.0.1:${port}/${what}')"`;
const variables = {
  COUCHBASE_URL: `couchbase://${encodeURIComponent(login.user)}:${encodeURIComponent(login.password)}@127.0.0.1:${double.port}/${login.bucket}`,
  COUCHBASE_REST: double.management,
  COUCHBASE_KILL: command('kill'),
  COUCHBASE_START: command('start'),
};

afterAll(async () => {
  operator.close();
  await double.close();
});

const asked = (method: string, path: string, form: Record<string, string> = {}) =>
  fetch(`${double.management}${path}`, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(`${login.user}:${login.password}`).toString('base64')}`,
    },
    ...(method === 'GET' ? {} : { body: new URLSearchParams(form) }),
  });

describe('a cluster that the environment names', () => {
  const suites: FaultSuite[] = [];
  const suite = async () => {
    const [made] = suites;
    if (made !== undefined) return made;
    const durable = 'majority_and_persist_to_active';
    const fresh = await faultSuite(storeOf({ durable, variables }), { deadline: 1_500 });
    suites.push(fresh);
    return fresh;
  };

  it.each(SOME)(
    'has the faults of the suite as the double has: %s',
    async (name) => {
      const { cases } = await suite();
      expect(cases.length).toBeGreaterThan(SOME.length);
      const found = cases.filter((one) => one.name.startsWith(name));
      expect(found).toHaveLength(1);
      await found[0]?.run();
    },
    120_000,
  );

  it('has no alternate address of a test any more when the suite is done', async () => {
    const { report, close } = await suite();
    expect(report()[0]).toMatch(/^faults couchbase: 2 cases/);
    expect(await (await asked('GET', '/pools/default/nodeServices')).text()).toContain('alternateAddresses');
    await close();
    expect(await (await asked('GET', '/pools/default/nodeServices')).text()).not.toContain(
      'alternateAddresses',
    );
  });

  it('is not killed where nobody has said how: the case fails, and says what to set', async () => {
    const store = await storeOf({ variables: { ...variables, COUCHBASE_KILL: undefined } }).start();
    await expect(store.kill()).rejects.toThrow(/set COUCHBASE_KILL and COUCHBASE_START/);
    await store.stop();
  });

  it('is left alone where its nodes have alternate addresses of their own, where its REST interface is not found, and where the user may not change it', async () => {
    await asked('PUT', EXTERNAL, { hostname: 'db.example', kv: '11210' });
    await expect(storeOf({ variables }).start()).rejects.toThrow(/alternate address db\.example/);
    await asked('DELETE', EXTERNAL);
    const elsewhere = { ...variables, COUCHBASE_REST: 'http://127.0.0.1:9' };
    await expect(storeOf({ variables: elsewhere }).start()).rejects.toThrow(/COUCHBASE_REST=/);
    const other = { ...variables, COUCHBASE_URL: variables.COUCHBASE_URL.replace('w0rd', 'other') };
    await expect(storeOf({ variables: other }).start()).rejects.toThrow(/has to be an administrator/);
  });

  // Minutes: the long run has them.
  if (LONG) it.each(EVERYTHING)('has every test run on it: %s', everything, 1_800_000);
});

async function everything(...selection: string[]): Promise<void> {
  const root = join(import.meta.dirname, '..', '..', '..');
  // As somebody starts it by hand, whatever this run is a part of.
  const usual = Object.entries(process.env).filter(([name]) => !/^(SESSIONKIT_|VITEST)/.test(name));
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const child = spawn(process.execPath, [vitest, 'run', '--project', ...selection], {
    cwd: root,
    env: { ...Object.fromEntries(usual), ...variables },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said: string[] = [];
  child.stdout.on('data', (chunk) => said.push(String(chunk)));
  const [code] = await once(child, 'exit');
  expect(code, said.join('')).toBe(0);
}
