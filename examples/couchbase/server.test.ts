import { type CouchbaseServer, startCouchbase } from '@sessionkit/test-stores/couchbase';
import { browser, type RunningExample, replayed, startExample } from '@sessionkit/test-stores/example';
import { connect } from 'couchbase';
import { afterAll, beforeAll, expect, it } from 'vitest';

const folder = import.meta.dirname;
let server: CouchbaseServer;
let env: NodeJS.ProcessEnv;
let one: RunningExample;
let two: RunningExample;

beforeAll(async () => {
  server = await startCouchbase();
  const { url, user, password, bucket } = server;
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`;
  env = { COUCHBASE_URL: `${url.replace('://', `://${login}`)}/${bucket}` };
  [one, two] = await Promise.all([startExample(folder, env), startExample(folder, env)]);
}, 300_000);
afterAll(async () => {
  expect(await Promise.all([one?.stop(), two?.stop()])).toEqual([0, 0]);
  await server?.stop();
}, 60_000);

it('answers what its README says, from two processes on one Couchbase, which is the double unless the environment names another', async () => {
  const { shown, answered } = await replayed(folder, [one.url, two.url]);
  expect(shown.length).toBeGreaterThan(4);
  expect(answered).toEqual(shown);
});

it('loses no visit when both processes serve one session at once, and shows it in its document', async () => {
  const visit = browser();
  expect((await visit(`${one.url}/login?user=bob`, 'POST')).body).toBe('bob, visit 1\n');
  await Promise.all(Array.from({ length: 20 }, (_, n) => visit(n % 2 === 0 ? one.url : two.url)));
  expect((await visit(two.url)).body).toBe('bob, visit 22\n');
  const cluster = await connect(server.url, { username: server.user, password: server.password });
  const documents = cluster.bucket(server.bucket).defaultCollection();
  const keys = (await server.double?.keys())?.filter((key) => /^shop:s[^:]*$/.test(key)) ?? [];
  const found = await Promise.all(keys.map(async (key) => (await documents.get(key)).content));
  await cluster.close();
  if (server.double === undefined) return;
  expect(found).toContainEqual(
    expect.objectContaining({ user: 'bob', ip: '127.0.0.1', data: expect.stringContaining('"visits":22') }),
  );
});

it('answers 503 while the double is away, and serves when it is back', async () => {
  const own = server.double;
  if (own === undefined) return;
  const visit = browser();
  await own.stop();
  expect((await visit(`${one.url}/login?user=cleo`, 'POST')).status).toBe(503);
  await own.start();
  await expect
    .poll(async () => (await visit(`${one.url}/login?user=cleo`, 'POST')).status, { timeout: 10_000 })
    .toBe(200);
}, 60_000);
