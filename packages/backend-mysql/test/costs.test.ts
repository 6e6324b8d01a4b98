import type { JournalEntry, PageQuery, SessionId, SessionRecord } from '@sessionkit/session-core';
import { print } from '@sessionkit/test-stores/run';
import { makeRecord, nextRecord, testEnvironment } from '@sessionkit/testkit';
import type { Pool, RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import type { MysqlConnection, MysqlPool, MysqlQuery, Value } from '../src/index.js';
import { tablesOf } from '../src/options.js';
import { statementsOf } from '../src/statements.js';
import { awkward, signal, startPlace } from './store.js';

const SESSIONS = 10_000;
const FLUSHES = 20;
const place = await startPlace();
const { database, admin, ask } = place;
const tell = (line: string) => print(`mariadb: ${line}`);

/** Sessions of many users in a few services, one in twenty ended. */
async function filled(table: string) {
  const environment = testEnvironment({ random: 7 });
  const backend = place.backend({ table });
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
  const how = { at, cause: 'logout', by: undefined, keepUntil: at + 3_600_000 } as const;
  for (let from = 0; from < ended.length; from += 500)
    await backend.end(ended.slice(from, from + 500), how, signal);
  await admin.query(`analyze table ${database}.${table}`);
  return { environment, records };
}

interface Asked {
  readonly sql: string;
  readonly values: readonly Value[];
}

/** The pool, which notes what is asked on it. */
function spying(pool: Pool, seen: Asked[]): MysqlPool {
  const real = (pool as unknown as { readonly pool: MysqlPool }).pool;
  return {
    getConnection: (got) =>
      real.getConnection((error, connection) => {
        if (error) return got(error, connection);
        const execute: MysqlConnection['execute'] = (query: MysqlQuery, values, answered) => {
          seen.push({ sql: query.sql, values });
          return connection.execute(query, values, answered);
        };
        got(
          null,
          new Proxy(connection, {
            get(target, member) {
              if (member === 'execute') return execute;
              const value: unknown = Reflect.get(target, member);
              return typeof value === 'function' ? value.bind(target) : value;
            },
          }),
        );
      }),
  };
}

/** How the server has done the last list: the index of each table, and how many rows it read. */
async function planOf(table: string, query: PageQuery) {
  const seen: Asked[] = [];
  const pool = place.pool({ connectionLimit: 1 });
  await place.backend({ table, pool: spying(pool, seen) as unknown as Pool }).list(query, signal);
  const { sql, values } = seen.at(-1) ?? expect.fail();
  const [plans] = await pool.query<RowDataPacket[]>(`explain ${sql}`, [...values]);
  await pool.query('flush status');
  await pool.query(sql, [...values]);
  const [counts] = await pool.query<RowDataPacket[]>(`show session status like 'Handler_read%'`);
  return {
    access: plans.map(({ type, key }) => `${type} on ${key}`).join(', '),
    read: counts.reduce((sum, { Value }) => sum + Number(Value), 0),
  };
}

it(`a page of ${SESSIONS} sessions goes by an index and reads what the page is, whatever the conditions`, {
  timeout: 120_000,
}, async () => {
  const table = 'paged';
  const { records } = await filled(table);
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
    const { access, read } = await planOf(table, query);
    tell(`page "${name}" of ${SESSIONS} sessions: ${access}, ${read} rows read`);
    expect(access).not.toMatch(/ALL|null/);
    expect(read).toBeLessThan(60);
  }
});

it('a touch writes one number of a row, which is in no index', { timeout: 120_000 }, async () => {
  const table = 'touched';
  const { records, environment } = await filled(table);
  const pool = place.pool({ connectionLimit: 1 });
  const backend = place.backend({ table, pool });
  const { c } = tablesOf({ table });
  const indexed = await ask(
    'select distinct column_name as name from information_schema.statistics where table_schema = ? and table_name = ?',
    [database, table],
  );
  const set = /\nset (.*) where /.exec(statementsOf(tablesOf({ table })).touch)?.[1];
  expect(set?.startsWith(`t.${c.seenAt} = `)).toBe(true);
  expect(set).not.toContain(', t.');
  expect(indexed.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['sid', 'service', 'user_id', 'is_over', 'due_at']),
  );
  expect(indexed.map(({ name }) => name)).not.toContain('seen_at');
  const open = records.filter((_, n) => n % 20 !== 7);

  await pool.query('flush status');
  for (let flush = 1; flush <= FLUSHES; flush++) {
    const batch = Array.from({ length: 500 }, (_, n) => {
      const { id, epoch } = open[(flush * 3_571 + n * 19) % open.length] ?? expect.fail();
      return { id, epoch, seenAt: environment.now() + flush * 1_000 };
    });
    expect(await backend.touch(batch, signal)).toEqual([]);
  }
  const touches = FLUSHES * 500;
  const [[written]] = await pool.query<RowDataPacket[]>(`show session status like 'Handler_update'`);
  tell(`${touches} touches, ${written?.Value} rows written, no column of them in an index`);
  expect(Number(written?.Value)).toBe(touches);
});

it('a verb is one statement, by the log of the server', { timeout: 60_000 }, async () => {
  const table = awkward('counted');
  const environment = testEnvironment({ random: 9 });
  const pool = place.pool({ connectionLimit: 1 });
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
  const touches = (at: number) => records.map(({ id }) => ({ id, epoch: 0, seenAt: at }));
  const others = ids.filter((id) => id !== second.id);

  const verbs: Record<string, [number, () => Promise<unknown>]> = {
    'load of one': [1, () => backend.load([first.id], signal)],
    'load of 500': [1, () => backend.load(ids, signal)],
    'save of a new session': [1, () => backend.save(fresh, signal)],
    'save of a change': [1, () => backend.save(saved, signal)],
    'save that lost the race': [2, () => backend.save(nextRecord(environment, first, {}), signal)],
    'touch of 500': [1, () => backend.touch(touches(now + 9), signal)],
    'list of 100': [1, () => backend.list(page, signal)],
    count: [1, () => backend.count(page, signal)],
    claim: [2, () => backend.claim(claim, signal)],
    'append of 500 entries': [2, () => backend.append({ batchId: 'b', entries }, signal)],
    'read of 500 journals': [1, () => backend.read(ids, signal)],
    announce: [2, () => backend.announce('one', [link], 60_000, signal)],
    present: [1, () => backend.present(ids, signal)],
    'end of 499': [1, () => backend.end(others, how, signal)],
    'end of 499 that have ended': [2, () => backend.end(others, how, signal)],
    'touch of 500, 499 ended': [2, () => backend.touch(touches(now + 19), signal)],
    'sweep of 100': [7, () => backend.sweep(now + 1, 100, signal)],
    now: [1, () => backend.now(signal)],
  };
  const [[own]] = await pool.query<RowDataPacket[]>('select connection_id() as id');
  await admin.query(`set global log_output = 'TABLE', global general_log = 1`);
  try {
    for (const [name, [wanted, run]] of Object.entries(verbs)) {
      await admin.query('truncate mysql.general_log');
      const began = performance.now();
      await run();
      const ms = performance.now() - began;
      const rows = await ask(
        `select count(*) as many from mysql.general_log where thread_id = ? and command_type in ('Query', 'Execute')`,
        [own?.id],
      );
      tell(`${name.padEnd(26)} ${rows[0]?.many} round trip(s), ${ms.toFixed(1)} ms`);
      expect(Number(rows[0]?.many), name).toBe(wanted);
    }
  } finally {
    await admin.query('set global general_log = 0');
  }
});
