import { browser, type RunningExample, replayed, startExample } from '@sessionkit/test-stores/example';
import { afterAll, beforeAll, expect, it } from 'vitest';

const folder = import.meta.dirname;
let one: RunningExample;
let two: RunningExample;

beforeAll(async () => {
  [one, two] = await Promise.all([startExample(folder, {}), startExample(folder, {})]);
}, 60_000);
afterAll(async () => {
  expect(await Promise.all([one?.stop(), two?.stop()])).toEqual([0, 0]);
});

it('answers what its README says', async () => {
  const { shown, answered } = await replayed(folder, [one.url]);
  expect(shown.length).toBeGreaterThan(4);
  expect(answered).toEqual(shown);
});

it('keeps its sessions to one process: another one does not know them', async () => {
  const visit = browser();
  expect((await visit(`${one.url}/login?user=bob`, 'POST')).body).toBe('bob, visit 1\n');
  const elsewhere = await visit(two.url);
  expect(elsewhere.status).toBe(401);
  expect(JSON.parse(elsewhere.body)).toMatchObject({ code: 'session_invalid' });
});
