import {
  couchbaseName,
  type RelayedCouchbase,
  startRelayedCouchbase,
} from '@sessionkit/test-stores/couchbase';
import { browser, type RunningExample, replayed, startExample } from '@sessionkit/test-stores/example';
import { connect, PrefixScan } from 'couchbase';
import { afterAll, beforeAll, expect, it } from 'vitest';

const folder = import.meta.dirname;
let server: RelayedCouchbase;
let env: NodeJS.ProcessEnv;
let one: RunningExample;
let two: RunningExample;

beforeAll(async () => {
  server = await startRelayedCouchbase();
  const whole = new URL(server.url);
  whole.username = server.user;
  whole.password = server.password;
  whole.pathname = `/${server.bucket}`;
  env = { COUCHBASE_URL: `${whole}` };
  [one, two] = await Promise.all([startExample(folder, env), startExample(folder, env)]);
}, 300_000);
afterAll(async () => {
  expect(await Promise.all([one?.stop(), two?.stop()])).toEqual([0, 0]);
  await server?.stop();
}, 60_000);

it(`answers what its README says, from two processes on one ${couchbaseName()}`, async () => {
  const { shown, answered } = await replayed(folder, [one.url, two.url]);
  expect(shown.length).toBeGreaterThan(4);
  expect(answered).toEqual(shown);
});

it('loses no visit when both processes serve one session at once, and shows it in its document', async () => {
  const visit = browser();
  const user = `bob-${Date.now()}`;
  expect((await visit(`${one.url}/login?user=${user}`, 'POST')).body).toBe(`${user}, visit 1\n`);
  await Promise.all(Array.from({ length: 20 }, (_, n) => visit(n % 2 === 0 ? one.url : two.url)));
  expect((await visit(two.url)).body).toBe(`${user}, visit 22\n`);
  const cluster = await connect(server.url, { username: server.user, password: server.password });
  const documents = cluster.bucket(server.bucket).defaultCollection();
  const found = async () => {
    const keys = await documents.scan(new PrefixScan('shop:s'), { idsOnly: true });
    const ids = keys.map(({ id }) => id).filter((id) => !id.startsWith('shop:seen:'));
    const contents = await Promise.all(ids.map(async (id) => (await documents.get(id)).content));
    return contents.filter((content) => content.user === user);
  };
  // A scan sees what is on disk, which a server writes a moment later.
  await expect
    .poll(found, { timeout: 20_000 })
    .toEqual([
      expect.objectContaining({ user, ip: '127.0.0.1', data: expect.stringContaining('"visits":22') }),
    ]);
  await cluster.close();
}, 60_000);

it('answers 503 while Couchbase is away, and serves when it is back', async () => {
  const visit = browser();
  await server.refuse();
  expect((await visit(`${one.url}/login?user=cleo`, 'POST')).status).toBe(503);
  await server.pass();
  await expect
    .poll(async () => (await visit(`${one.url}/login?user=cleo`, 'POST')).status, { timeout: 10_000 })
    .toBe(200);
}, 60_000);
