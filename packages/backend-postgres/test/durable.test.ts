import { setTimeout as pause } from 'node:timers/promises';
import { SessionError, type SessionRecord } from '@sessionkit/session-core';
import {
  type PostgresPair,
  type PostgresServer,
  startPostgres,
  startPostgresPair,
} from '@sessionkit/test-stores/postgres';
import { print } from '@sessionkit/test-stores/run';
import { makeRecord, nextRecord, testEnvironment } from '@sessionkit/testkit';
import pg from 'pg';
import { expect, it, vi } from 'vitest';
import { connectTo } from './store-harness.js';

const WITHIN = 120_000;
const SESSIONS = 8;
const environment = testEnvironment({ start: Date.now(), random: 'real' });
const DATA = JSON.stringify({ text: 'x'.repeat(20_000) });

const at = ({ url }: PostgresServer) => [{ host: '127.0.0.1', port: Number(new URL(url).port) }];
const backendAt = (server: PostgresServer, durable: boolean) =>
  connectTo(at(server), { environment }, { durable });
const within = () => AbortSignal.timeout(1_000);

async function ask(server: PostgresServer, text: string): Promise<readonly Record<string, string>[]> {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

const streaming = (pair: PostgresPair) =>
  vi.waitFor(
    async () => {
      const rows = await ask(
        pair.primary,
        `select sync_state from pg_stat_replication where state = 'streaming'`,
      );
      expect(rows).toEqual([{ sync_state: 'sync' }]);
    },
    { timeout: 20_000 },
  );

/** Stops and continues the process on the standby that receives what the primary writes. */
async function receiver(pair: PostgresPair, signal: NodeJS.Signals, pid?: number): Promise<number> {
  const [row] =
    pid === undefined ? await ask(pair.standby, 'select pid from pg_stat_wal_receiver') : [{ pid }];
  const found = Number(row?.pid);
  process.kill(found, signal);
  return found;
}

async function failOver(durable: boolean): Promise<{ acknowledged: number; lost: number }> {
  const pair = await startPostgresPair();
  try {
    const backend = await backendAt(pair.primary, durable);
    await streaming(pair);
    const records = Array.from({ length: SESSIONS }, () => makeRecord(environment));
    for (const record of records) await backend.save(record, within());
    let stopped = false;
    const writers = records.map(async (first) => {
      let newest: SessionRecord = first;
      while (!stopped) {
        const next = nextRecord(environment, newest, { data: DATA });
        if ((await backend.save(next, within()).catch(() => undefined)) !== true) break;
        newest = next;
      }
      return newest;
    });
    await pause(300);
    // It lags: what is sent meanwhile stays in the buffers of the network, and what does not fit there in the primary.
    const pid = await receiver(pair, 'SIGSTOP');
    await pause(1_500);
    await pair.primary.server?.kill();
    stopped = true;
    await receiver(pair, 'SIGKILL', pid);
    const acknowledged = await Promise.all(writers);
    await backend.close();
    await vi.waitFor(() => ask(pair.standby, 'select 1'), { timeout: 20_000 });
    await pair.promote();

    const heir = await backendAt(pair.standby, false);
    const found = await heir.load(
      acknowledged.map(({ id }) => id),
      within(),
    );
    let sum = 0;
    let lost = 0;
    for (const [n, { version }] of acknowledged.entries()) {
      const one = found[n];
      if (one instanceof SessionError) throw one;
      sum += version;
      lost += Math.max(0, version - (one?.version ?? 0));
    }
    await heir.close();
    return { acknowledged: sum, lost };
  } finally {
    await pair.stop();
  }
}

it('a fail-over to a standby that lags loses acknowledged saves, and none with durable: true', {
  timeout: WITHIN,
}, async () => {
  const without = await failOver(false);
  const having = await failOver(true);
  print(
    `fail-over postgres: acknowledged ${without.acknowledged}, lost ${without.lost} without durable; acknowledged ${having.acknowledged}, lost ${having.lost} with durable`,
  );
  // The first shows that the second could have failed.
  expect(without.lost).toBeGreaterThan(0);
  expect(having.acknowledged).toBeGreaterThan(SESSIONS);
  expect(having.lost).toBe(0);
});

it('while a standby is missing nothing is acknowledged, nothing piles up, and what was done is found when it is sent again', {
  timeout: WITHIN,
}, async () => {
  const pair = await startPostgresPair();
  try {
    const backend = await backendAt(pair.primary, true);
    await streaming(pair);
    const [saved, ended] = [makeRecord(environment), makeRecord(environment)];
    for (const record of [saved, ended]) expect(await backend.save(record, within())).toBe(true);
    const pid = await receiver(pair, 'SIGSTOP');
    const next = nextRecord(environment, saved, { data: '{"n":2}' });
    const how = {
      at: environment.now(),
      cause: 'killed',
      by: 'ops',
      keepUntil: environment.now() + 60_000,
    } as const;
    const gaveUp = { code: 'BACKEND_DOWN', retryable: true };
    for (let n = 0; n < 5; n++) {
      // Whether it was done or not: once it is, it is asked for again and waits again.
      await expect(backend.save(next, AbortSignal.timeout(300))).rejects.toMatchObject(gaveUp);
      await expect(backend.end([ended.id], how, AbortSignal.timeout(300))).rejects.toMatchObject(gaveUp);
    }
    expect(await backend.load([saved.id], within())).toMatchObject([{ version: 2 }]);
    await vi.waitFor(async () => {
      const waiting = `select count(*) from pg_stat_activity where wait_event = 'SyncRep'`;
      expect(await ask(pair.primary, waiting)).toEqual([{ count: '0' }]);
    }, 5_000);
    await receiver(pair, 'SIGCONT', pid);
    await streaming(pair);
    expect(await backend.save(next, within())).toBe(true);
    expect(await backend.end([ended.id], how, within())).toEqual([]);
    expect(await backend.load([ended.id], within())).toMatchObject([{ ended: { cause: 'killed' } }]);
    await backend.close();
  } finally {
    await pair.stop();
  }
});

it('a server without a synchronous standby is warned of', { timeout: WITHIN }, async () => {
  const server = await startPostgres({ settings: {} });
  try {
    const log = testEnvironment({ start: Date.now() });
    const backend = await connectTo(at(server), { environment: log }, { durable: true });
    expect(log.entries).toMatchObject([
      { level: 'warning', message: expect.stringContaining('synchronous_standby_names is empty') },
    ]);
    await backend.close();
  } finally {
    await server.stop();
  }
});
