import type { JournalEntry, PageQuery, SessionId, SessionRecord } from '@sessionkit/session-core';
import { print } from '@sessionkit/test-stores/run';
import { makeRecord, nextRecord, testEnvironment } from '@sessionkit/testkit';
import type pg from 'pg';
import { expect, it, vi } from 'vitest';
import { awkward, signal, startPlace } from './store.js';

const SESSIONS = 10_000;
const FLUSHES = 40;
const place = await startPlace();
const { schema, admin } = place;
const tell = (line: string) => print(`postgres: ${line}`);

/** Sessions of many users in a few services, one in twenty ended. */
async function filled(table: string) {
  const environment = testEnvironment({ random: 7 });
  const pool = place.pool();
  const backend = place.backend({ table, pool });
  await backend.check();
  const records = Array.from({ length: SESSIONS }, (_, n) =>
    makeRecord(environment, {
      startedAt: environment.now() - SESSIONS + n,
      service: n % 100 === 0 ? 'rare' : 'shop',
      user: `user${n % 2_500}`,
      data: `{"n":${n},"text":"${'x'.repeat(600)}"}`,
    }),
  );
  for (let at = 0; at < SESSIONS; at += 500)
    await Promise.all(records.slice(at, at + 500).map((record) => backend.save(record, signal)));
  const ended = records.filter((_, n) => n % 20 === 7).map(({ id }) => id);
  const at = environment.now();
  await backend.end(ended, { at, cause: 'logout', by: undefined, keepUntil: at + 3_600_000 }, signal);
  await pool.end();
  await admin.query(`vacuum analyze ${schema}.${table}`);
  return { environment, records };
}

/** The names of the nodes of the plan that the server chose for the last list, and the blocks that it read. */
async function planOf(
  table: string,
  pool: pg.Pool,
  query: PageQuery,
): Promise<{ nodes: string; blocks: number }> {
  const seen: { text: string; values: unknown[] }[] = [];
  const spying = new Proxy(pool, {
    get(target, member) {
      if (member !== 'connect') return Reflect.get(target, member, target);
      return async () => {
        const client = await target.connect();
        const plain = client.query.bind(client);
        const release = client.release.bind(client);
        Object.assign(client, {
          query: (query: { text: string; values: unknown[] }) => {
            seen.push(query);
            return plain(query);
          },
          release: (error?: Error) => {
            Object.assign(client, { query: plain });
            release(error);
          },
        });
        return client;
      };
    },
  });
  await place.backend({ table, pool: spying }).list(query, signal);
  const { text, values } = seen.at(-1) ?? expect.fail();
  const { rows } = await pool.query(`explain (analyze, buffers, format json) ${text}`, values);
  const plan = JSON.stringify(rows[0]?.['QUERY PLAN']);
  const nodes = [...plan.matchAll(/"Node Type":"([^"]+)".*?(?:"Index Name":"([^"]+)")?/g)].map(
    ([, node]) => node,
  );
  const indexes = [...plan.matchAll(/"Index Name":"([^"]+)"/g)].map(([, index]) => index);
  const blocks =
    Number(/"Shared Hit Blocks":(\d+)/.exec(plan)?.[1]) +
    Number(/"Shared Read Blocks":(\d+)/.exec(plan)?.[1]);
  return { nodes: `${nodes.join(' < ')}${indexes.length > 0 ? ` on ${indexes.join(', ')}` : ''}`, blocks };
}

it(`a page of ${SESSIONS} sessions is an index scan that reads what the page is, whatever the conditions`, {
  timeout: 60_000,
}, async () => {
  const table = 'paged';
  const { records } = await filled(table);
  const pool = place.pool();
  const middle = records[SESSIONS / 2]?.id ?? expect.fail();
  const queries: Record<string, PageQuery> = {
    first: { limit: 20 },
    'from the middle': { limit: 20, after: middle },
    service: { limit: 20, service: 'rare' },
    'service, from the middle': { limit: 20, service: 'shop', after: middle },
    user: { limit: 20, user: 'user17' },
    ended: { limit: 20, state: 'ended' },
    open: { limit: 20, state: 'open', service: 'shop' },
    start: { limit: 20, startedBefore: records[100]?.startedAt },
  };
  for (const [name, query] of Object.entries(queries)) {
    const { nodes, blocks } = await planOf(table, pool, query);
    tell(`page "${name}" of ${SESSIONS} sessions: ${nodes}, ${blocks} blocks`);
    expect(nodes).toMatch(/Index Scan.* on /);
    expect(nodes).not.toContain('Seq Scan');
    expect(blocks).toBeLessThan(60);
  }
});

it('touches are heap-only updates: no index is written', { timeout: 60_000 }, async () => {
  const table = 'touched';
  const { records, environment } = await filled(table);
  const pool = place.pool();
  const backend = place.backend({ table, pool });
  const counts = async () => {
    const { rows } = await admin.query(
      'select n_tup_upd as updated, n_tup_hot_upd as hot from pg_stat_user_tables where schemaname = $1 and relname = $2',
      [schema, table],
    );
    return { updated: Number(rows[0]?.updated), hot: Number(rows[0]?.hot) };
  };
  const open = records.filter((_, n) => n % 20 !== 7);
  const before = await counts();
  for (let flush = 1; flush <= FLUSHES; flush++) {
    const batch = Array.from(
      { length: 500 },
      (_, n) => open[(flush * 3_571 + n * 19) % open.length] ?? expect.fail(),
    )
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map(({ id, epoch }) => ({ id, epoch, seenAt: environment.now() + flush * 1_000 }));
    expect(await backend.touch(batch, signal)).toEqual([]);
  }
  // A connection that ends reports what it counted.
  await pool.end();
  const touches = FLUSHES * 500;
  await vi.waitFor(async () => expect((await counts()).updated - before.updated).toBe(touches), 10_000);
  const after = await counts();
  const hot = after.hot - before.hot;
  tell(`${touches} touches, ${hot} of them heap-only (${((100 * hot) / touches).toFixed(1)} %)`);
  expect(hot / touches).toBeGreaterThan(0.9);
});

it('a verb is one statement, by the count of the server', async () => {
  await admin.query('create extension if not exists pg_stat_statements');
  const table = awkward('counted');
  const environment = testEnvironment({ random: 9 });
  const pool = place.pool({ max: 1, application_name: 'counted' });
  const backend = place.backend({ table, pool });
  await backend.check();
  const now = environment.now();
  const records = Array.from({ length: 500 }, () => makeRecord(environment, { user: 'ann' }));
  await Promise.all(records.map((record) => backend.save(record, signal)));
  const ids = records.map(({ id }) => id);
  const [first, second] = [records[0] ?? expect.fail(), records[1] ?? expect.fail()];
  const how = { at: now, cause: 'logout', by: undefined, keepUntil: now } as const;
  const claim = { service: 'shop', user: 'bob', id: first.id, at: now, max: 1, full: 'refuse' } as const;
  const fresh = makeRecord(environment);
  const saved: SessionRecord = nextRecord(environment, first, { data: '{"n":1}' });
  const link = { id: first.id, process: 'one', since: now, detail: {} };
  const entries: JournalEntry[] = ids.map((id) => ({ id, at: now, kind: 'log', text: 'x' }));
  const page = { limit: 100, service: 'shop', user: 'ann', state: 'open', after: 's' as SessionId } as const;

  const verbs: Record<string, [number, () => Promise<unknown>]> = {
    'load of 500': [1, () => backend.load(ids, signal)],
    'save of a new session': [1, () => backend.save(fresh, signal)],
    'save of a change': [1, () => backend.save(saved, signal)],
    'save with a notice': [1, () => backend.save(nextRecord(environment, saved, { user: 'bob' }), signal)],
    'save that lost the race': [2, () => backend.save(nextRecord(environment, first, {}), signal)],
    'touch of 500': [
      1,
      () =>
        backend.touch(
          records.map(({ id }) => ({ id, epoch: 0, seenAt: now + 9 })),
          signal,
        ),
    ],
    'list of 100': [1, () => backend.list(page, signal)],
    count: [1, () => backend.count(page, signal)],
    claim: [1, () => backend.claim(claim, signal)],
    'append of 500 entries': [1, () => backend.append({ batchId: 'b', entries }, signal)],
    'read of 500 journals': [1, () => backend.read(ids, signal)],
    announce: [1, () => backend.announce('one', [link], 60_000, signal)],
    present: [1, () => backend.present(ids, signal)],
    'end of 499': [
      1,
      () =>
        backend.end(
          ids.filter((id) => id !== second.id),
          how,
          signal,
        ),
    ],
    'sweep of 100': [1, () => backend.sweep(now + 1, 100, signal)],
    now: [1, () => backend.now(signal)],
  };
  const { rows: who } = await admin.query('select current_database() as name');
  for (const [name, [wanted, run]] of Object.entries(verbs)) {
    await admin.query('select pg_stat_statements_reset()');
    await run();
    const { rows } = await admin.query(
      `select sum(calls) as calls, sum(total_exec_time) as ms from pg_stat_statements s join pg_database d on d.oid = s.dbid
       where d.datname = $1 and query not like '%pg_stat_statements%' and toplevel`,
      [who[0]?.name],
    );
    tell(
      `${name.padEnd(24)} ${rows[0]?.calls} round trip(s), ${Number(rows[0]?.ms).toFixed(2)} ms in the server`,
    );
    expect(Number(rows[0]?.calls), name).toBe(wanted);
  }
});
