import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { redis } from '@sessionkit/backend-redis';
import type { SessionId } from '@sessionkit/session-core';
import { buildProgram, nextMessage } from '@sessionkit/test-stores/program';
import { startRedis } from '@sessionkit/test-stores/redis';
import { RedisStore } from 'connect-redis';
import { createClient } from 'redis';
import { expect, it } from 'vitest';
import { Browser, load } from './help.js';

const SESSIONS = process.env.SESSIONKIT_LONG === '1' ? 1_000 : 50;
const SECRET = 'the old secret';

it(`${SESSIONS} old sessions, shown to three processes at the same time, become as many of ours`, async () => {
  const server = await startRedis();
  const program = await buildProgram(fileURLToPath(new URL('move-process.ts', import.meta.url)));
  const prefix = `new:${randomUUID()}:`;
  const processes = [0, 1, 2].map(() => program.start([server.url, prefix, SECRET]));
  const client = createClient({ url: server.url, disableOfflineQueue: true });
  try {
    const ports = (await Promise.all(processes.map((one) => nextMessage(one)))) as number[];
    await client.connect();
    const store = new RedisStore({ client }) as { set(sid: string, session: object): Promise<void> };
    const { sign } = load('cookie-signature') as { sign(value: string, secret: string): string };
    const users = Array.from({ length: SESSIONS }, (_, at) => `user-${at}`);
    const move = async (user: string | undefined) => {
      const sid = `${user}-${randomUUID()}`;
      await store.set(sid, { cookie: { originalMaxAge: 3_600_000 }, passport: { user } });
      const headers = { cookie: `connect.sid=${encodeURIComponent(`s:${sign(sid, SECRET)}`)}` };
      const answers = await Promise.all(ports.map((port) => new Browser(port).get('/', headers)));
      for (const { json } of answers) expect(json).toMatchObject({ passport: { user } });
      expect(answers.filter(({ cookies }) => cookies.length > 0)).toHaveLength(1);
      expect(await client.exists(`sess:${sid}`)).toBe(0);
    };
    // Ten browsers at a time.
    const browsers = Array.from({ length: 10 }, async () => {
      while (users.length > 0) await move(users.pop());
    });
    await Promise.all(browsers);
    const backend = redis(client, { prefix });
    const { signal } = new AbortController();
    // Who comes second leaves an entry in the index, which counts until a list comes by.
    let listed = 0;
    for (let after: SessionId | undefined; ; ) {
      const { items, next } = await backend.list({ after, limit: SESSIONS / 10 }, signal);
      listed += items.length;
      if (next === undefined) break;
      after = next;
    }
    expect([listed, await backend.count({}, signal)]).toEqual([SESSIONS, SESSIONS]);
    await backend.close();
  } finally {
    for (const one of processes) one.kill('SIGKILL');
    client.destroy();
    await program.remove();
    await server.stop();
  }
}, 300_000);
