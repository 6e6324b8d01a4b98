import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { nextMessage, startProgram } from '@sessionkit/test-stores/program';
import { type RedisServer, startRedis } from '@sessionkit/test-stores/redis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TypedOrder, TypedTold } from './typed-process.js';

let server: RedisServer;
let untyped: ChildProcess;
let v1: ChildProcess;
let v2: ChildProcess;

beforeAll(async () => {
  server = await startRedis({ args: [] });
  const entry = join(import.meta.dirname, 'typed-process.ts');
  const start = (version: string) => startProgram(entry, [server.url, version]);
  [untyped, v1, v2] = await Promise.all([start('0'), start('1'), start('2')]);
  await Promise.all([untyped, v1, v2].map((child) => nextMessage(child)));
}, 300_000);

afterAll(async () => {
  for (const child of [untyped, v1, v2]) child?.kill('SIGKILL');
  await server?.stop();
});

async function visit(child: ChildProcess, order: TypedOrder): Promise<TypedTold> {
  const answer = nextMessage(child);
  child.send(order);
  return (await answer) as TypedTold;
}

const refused = {
  fault: 'UNSUPPORTED',
  message:
    'service "shop": the data of the session was written by version 2 of its schema, and this process knows version 1; a process of the newer version can serve it',
  answered: { status: 503, code: 'store_unavailable' },
};

it('what version 1 wrote is migrated when version 2 looks, stored with its next change, and then refused to version 1, whole all the time', async () => {
  const { token = '' } = await visit(v1, { user: 'ann', set: { cart: ['tea', 'tea', 'milk'] } });
  const counted = [
    { name: 'tea', count: 2 },
    { name: 'milk', count: 1 },
  ];
  expect(await visit(v2, { token, look: true })).toMatchObject({ data: { cart: counted, migratedFrom: 1 } });
  // Looking stored nothing.
  expect(await visit(v1, { token, look: true })).toMatchObject({
    fault: null,
    data: { cart: ['tea', 'tea', 'milk'] },
  });
  expect(await visit(v2, { token, set: { theme: 'dark' } })).toMatchObject({ fault: null });
  const whole = { data: { cart: counted, migratedFrom: 1, theme: 'dark' } };
  expect(await visit(v2, { token, look: true })).toMatchObject(whole);

  expect(await visit(v1, { token, look: true })).toMatchObject(refused);
  expect(await visit(v1, { token, set: { cart: ['coffee'] } })).toMatchObject(refused);
  // Nobody is logged out by that: who does not touch the data is served.
  expect(await visit(v1, { token })).toMatchObject({ fault: null, user: 'ann' });
  expect(await visit(v1, { token, user: 'ann' })).toMatchObject({ fault: null, user: 'ann' });
});

it('a change of version 1 that is under way while version 2 stores is refused, and that of version 2 stays whole', async () => {
  const { token = '' } = await visit(v1, { user: 'bob', set: { cart: ['tea'] } });
  const held = nextMessage(v1);
  v1.send({ token, set: { cart: ['milk'] }, hold: true } satisfies TypedOrder);
  expect(await held).toBe('held');
  expect(await visit(v2, { token, set: { theme: 'dark' } })).toMatchObject({ fault: null });
  const told = nextMessage(v1);
  v1.send('go on');
  expect(await told).toMatchObject(refused);
  expect((await visit(v2, { token, look: true })).data).toEqual({
    cart: [{ name: 'tea', count: 1 }],
    migratedFrom: 1,
    theme: 'dark',
  });
});

it('a change of version 2 that is under way while version 1 stores has both in it', async () => {
  const { token = '' } = await visit(v1, { user: 'cleo', set: { cart: ['tea'] } });
  const held = nextMessage(v2);
  v2.send({ token, set: { theme: 'dark' }, hold: true } satisfies TypedOrder);
  expect(await held).toBe('held');
  await visit(v1, { token, set: { cart: ['tea', 'tea'] } });
  const told = nextMessage(v2);
  v2.send('go on');
  expect(await told).toMatchObject({ fault: null });
  expect((await visit(v2, { token, look: true })).data).toEqual({
    cart: [{ name: 'tea', count: 2 }],
    migratedFrom: 1,
    theme: 'dark',
  });
});

it('data from before there was a schema is of version 0', async () => {
  const { token = '' } = await visit(untyped, { user: 'dan', set: { cart: ['tea'] } });
  expect((await visit(v1, { token, look: true })).data).toEqual({ cart: ['tea'] });
  expect((await visit(v2, { token, look: true })).data).toMatchObject({ migratedFrom: 0 });
  // Without a migration it is taken as it is, and has to fit.
  const { token: other = '' } = await visit(untyped, { user: 'eve', set: { cart: 'tea' } });
  expect(await visit(v1, { token: other, look: true })).toMatchObject({
    fault: 'INVALID_VALUE',
    message: 'service "shop": the data of the session does not fit data.schema at cart',
    answered: null,
  });
});
