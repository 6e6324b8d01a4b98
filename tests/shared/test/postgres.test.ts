import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { type PostgresServer, startPostgres } from '@sessionkit/test-stores/postgres';
import { nextMessage, startProgram } from '@sessionkit/test-stores/program';
import { afterAll, beforeAll, expect, it } from 'vitest';

const START = 120_000;
const children: ChildProcess[] = [];
let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
}, START);

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await server.stop();
}, START);

it('two processes on one database serve one session', { timeout: START }, async () => {
  const starting = [1, 2].map(async () => {
    const child = await startProgram(join(import.meta.dirname, 'postgres-process.ts'), [server.url]);
    children.push(child);
    return `http://127.0.0.1:${Number(await nextMessage(child))}`;
  });
  const [one = '', two = ''] = await Promise.all(starting);

  const login = await fetch(`${one}/login`, { method: 'POST' });
  expect(await login.json()).toEqual({ user: 'ann', data: {} });
  const headers = { authorization: login.headers.get('authorization') ?? '' };
  const get = async (url: string) => {
    const answer = await fetch(url, { headers });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  expect(await get(two)).toEqual({ status: 200, body: { user: 'ann', data: {} } });

  // Different keys never lose each other, and neither does one that all of them change.
  const urls = Array.from({ length: 40 }, (_, n) => `${n % 2 === 0 ? one : two}/add?key${n}=${n}`);
  const answers = await Promise.all(urls.map(get));
  expect(answers.map(({ status }) => status)).toEqual(urls.map(() => 200));
  const wanted = Object.fromEntries(urls.map((_, n) => [`key${n}`, `${n}`]));
  for (const url of [one, two])
    expect(await get(url)).toEqual({ status: 200, body: { user: 'ann', data: { ...wanted, n: 40 } } });

  // Who holds the session in the other process hears of its end from the database.
  const holding = get(`${two}/hold`);
  await get(two);
  const ended = performance.now();
  expect((await get(`${one}/logout`)).status).toBe(200);
  await holding;
  expect(performance.now() - ended).toBeLessThan(1_000);
  expect(await get(two)).toMatchObject({ status: 401, body: { code: 'session_ended' } });
});
