import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { nextMessage, startProgram } from '@sessionkit/test-stores/program';
import { type RedisServer, startRedis } from '@sessionkit/test-stores/redis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Order, Told } from './redis-process.js';

let server: RedisServer;
let a: ChildProcess;
let b: ChildProcess;

beforeAll(async () => {
  server = await startRedis({ args: [] });
  const entry = join(import.meta.dirname, 'redis-process.ts');
  [a, b] = await Promise.all([startProgram(entry, [server.url]), startProgram(entry, [server.url])]);
  await Promise.all([nextMessage(a), nextMessage(b)]);
}, 300_000);

afterAll(async () => {
  for (const child of [a, b]) child?.kill('SIGKILL');
  await server?.stop();
});

async function visit(child: ChildProcess, order: Order): Promise<Told> {
  const answer = nextMessage(child);
  child.send(order);
  return (await answer) as Told;
}

it('two processes on one Redis serve one session: what one stores the other has, at once', async () => {
  const first = await visit(a, { login: 'ann', add: 'from a' });
  expect(first).toMatchObject({ user: 'ann', token: expect.any(String) });
  const token = first.token ?? '';
  const second = await visit(b, { token, add: 'from b' });
  expect(second).toMatchObject({ id: first.id, user: 'ann', data: ['from a', 'from b'] });
  expect(second.pid).not.toBe(first.pid);
  expect((await visit(a, { token })).data).toEqual(['from a', 'from b']);
});

it('changes that both make at the same time are all kept', async () => {
  const { token = '' } = await visit(a, { login: 'bob' });
  for (let round = 0; round < 20; round++)
    await Promise.all([visit(a, { token, add: `a${round}` }), visit(b, { token, add: `b${round}` })]);
  const { data } = await visit(a, { token });
  const wanted = Array.from({ length: 20 }, (_, round) => [`a${round}`, `b${round}`]).flat();
  expect([...(data as string[])].sort()).toEqual(wanted.sort());
});

it('a logout in one process ends the session in the other, for what it holds open and for every later visit', async () => {
  const { token = '', id } = await visit(a, { login: 'cleo' });
  const holding = nextMessage(b);
  b.send({ token, hold: true } satisfies Order);
  expect(await holding).toBe('held');
  const told = nextMessage(b);
  const started = performance.now();
  await visit(a, { token, logout: true });
  expect(await told).toMatchObject({ id, ended: 'logout' });
  // By the notice, not by the heartbeat of 5 s.
  expect(performance.now() - started).toBeLessThan(2_000);
  for (const child of [a, b]) expect((await visit(child, { token })).refusal).toBe('session_ended');
});

it('a user who ends all others in one process ends them in the other, with what it holds open', async () => {
  const { token: mine = '', id } = await visit(a, { login: 'dora' });
  const { token = '' } = await visit(b, { login: 'dora' });
  const { token: stranger = '' } = await visit(b, { login: 'eve' });
  const holding = nextMessage(b);
  b.send({ token, hold: true } satisfies Order);
  expect(await holding).toBe('held');
  const told = nextMessage(b);
  const started = performance.now();
  expect((await visit(a, { token: mine, others: true })).own).toEqual([id]);
  expect(await told).toMatchObject({ ended: 'logout' });
  expect(performance.now() - started).toBeLessThan(2_000);
  for (const child of [a, b]) {
    expect((await visit(child, { token })).refusal).toBe('session_ended');
    expect(await visit(child, { token: mine })).toMatchObject({ user: 'dora' });
    expect(await visit(child, { token: stranger })).toMatchObject({ user: 'eve' });
  }
});
