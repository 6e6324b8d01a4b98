import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeRecord, testEnvironment } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import { ddl, postgres } from '../src/index.js';
import module from '../src/module.js';
import { tablesOf } from '../src/options.js';
import { awkward, outcome, startPlace, valid } from './store.js';

const place = await startPlace();
const { schema, admin } = place;
const faultOf = (doing: Promise<unknown>) =>
  doing.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error as { readonly code: string; readonly message: string },
  );

describe('the DDL', () => {
  it('of the package is what is generated for the usual names', () => {
    const file = join(import.meta.dirname, '..', 'sql', 'postgres.sql');
    expect(readFileSync(file, 'utf8')).toBe(ddl());
  });

  it('creates tables that fit, for names that need quoting, and changes nothing the second time', async () => {
    const options = { schema, table: awkward('ddl'), names: { sid: 'select', data: awkward('data') } };
    await admin.query(ddl(options));
    await admin.query(ddl(options));
    await place.backend({ ...options, createTable: false }).check();
  });

  it('keeps names of indexes and further tables apart when that of the table is long', async () => {
    const long = ['x', 'y'].map((last) => 'ö'.repeat(30) + last);
    for (const table of long) await place.backend({ table }).check();
    const names = long.map((table) => tablesOf({ table }).journal);
    expect(new Set(names).size).toBe(2);
    const { rows } = await admin.query(
      'select count(*) from pg_indexes where schemaname = $1 and tablename like $2',
      [schema, 'ö%'],
    );
    expect(Number(rows[0]?.count)).toBe(2 * 9);
  });
});

describe('at start', () => {
  it('a table that lacks columns is refused, with the statement that adds them', async () => {
    const options = { schema, table: 'lacking', names: { ip: 'the "ip"' } };
    await admin.query(ddl(options));
    await admin.query(
      `alter table ${schema}.lacking drop column "the ""ip""", drop column announced, drop column user_id`,
    );
    const { code, message } = await faultOf(place.backend({ ...options, createTable: false }).check());
    expect(code).toBe('CONFIG_INVALID');
    expect(message).toContain('lacks the columns user_id, the "ip", announced: alter table');
    await admin.query(message.slice(message.indexOf('alter table')));
    await place.backend(options).check();
  });

  it('a column of another type is refused, with the statement that changes it', async () => {
    const options = { schema, table: 'typed' };
    await admin.query(ddl(options));
    await admin.query(`alter table ${schema}.typed alter column data type jsonb`);
    const { code, message } = await faultOf(place.backend({ ...options, createTable: false }).check());
    expect(code).toBe('CONFIG_INVALID');
    expect(message).toContain('the column data of');
    expect(message).toContain('has the type jsonb, not json: alter table');
    await admin.query(message.slice(message.indexOf('alter table')));
    await place.backend(options).check();
  });

  it('a table without a unique id is refused, with the statement that makes it so', async () => {
    const options = { schema, table: 'keyless' };
    await admin.query(ddl(options));
    await admin.query(`alter table ${schema}.keyless_journal drop constraint keyless_journal_sid_fkey`);
    await admin.query(`alter table ${schema}.keyless drop constraint keyless_pkey`);
    const { code, message } = await faultOf(place.backend({ ...options, createTable: false }).check());
    expect(code).toBe('CONFIG_INVALID');
    expect(message).toContain('has no unique index on sid: alter table');
    await admin.query(message.slice(message.indexOf('alter table')));
    await place.backend(options).check();
  });

  it('a table that is not there is refused unless it may be created', async () => {
    const absent = place.backend({ table: 'absent', createTable: false });
    const signal = new AbortController().signal;
    for (const doing of [absent.check(), absent.load([], signal), absent.count({}, signal)]) {
      const { code, message } = await faultOf(doing);
      expect(code).toBe('CONFIG_INVALID');
      expect(message).toContain(`the table "${schema}"."absent" is not there`);
    }
    await admin.query(ddl({ schema, table: 'absent' }));
    expect(await absent.count({}, signal)).toBe(0);
  });

  it('ten that create the same tables at once do not collide', async () => {
    for (const table of ['first', 'second', 'third']) {
      const backends = Array.from({ length: 10 }, () =>
        place.backend({ table, pool: place.pool({ max: 1 }) }),
      );
      await Promise.all(backends.map((each) => each.check()));
    }
  });
});

describe('the postgres backend in a YAML file', () => {
  const usual = { type: 'postgres', resource: 'db' };

  it('needs its resource and nothing else', () => {
    expect(outcome(module, usual).value).toEqual({
      ...usual,
      table: 'sessions',
      sid_field: 'sid',
      fields: {},
      create_table: false,
      durable: false,
      prepared_statements: true,
    });
    expect(module.resourceClass).toBe('postgres');
  });

  it('takes the parameters of SXAPI as its document names them, and shows rows under them', async () => {
    const fields = { ip: 'ip_sess', start: 'start_sess', stop: 'stop_sess', user: 'who' };
    const section = { ...usual, schema, table: 'sxapi', sid_field: 'token_sess', fields, create_table: true };
    const environment = testEnvironment();
    const context = { environment, path: 'session.backend', resource: () => place.pool() };
    const backend = await module.create(valid(module, section), context);
    const killAt = environment.now() + 5_000;
    const record = makeRecord(environment, { user: 'ann', data: '{"n":1}', killAt });
    expect(await backend.save(record, new AbortController().signal)).toBe(true);
    const { rows } = await admin.query(
      `select token_sess, who, ip_sess, start_sess, stop_sess, data ->> 'n' as n, ended from ${schema}.sxapi`,
    );
    expect(rows).toEqual([
      {
        token_sess: record.id,
        who: 'ann',
        ip_sess: '192.0.2.7',
        start_sess: new Date(record.startedAt),
        stop_sess: new Date(killAt),
        n: '1',
        ended: null,
      },
    ]);
    await backend.close();
  });

  it.each([
    [{ type: 'postgres' }, ['resource'], 'string'],
    [{ ...usual, tabel: 'x' }, [], 'tabel'],
    [{ ...usual, fields: { end: 'x' } }, ['fields'], 'end'],
    [{ ...usual, fields: { ip: 'x', stop: 'x' } }, ['fields'], 'choose another name'],
    [{ ...usual, sid_field: 'data' }, ['fields'], 'choose another name'],
    [{ ...usual, sid_field: '' }, ['sid_field'], '1'],
    [{ ...usual, fields: { ip: 'é'.repeat(40) } }, ['fields', 'ip'], '80 bytes'],
    [{ ...usual, write_within: 0 }, ['write_within'], '0'],
  ])('refuses %j and says where', (section, path, message) => {
    const { issues = [] } = outcome(module, section);
    expect(issues).toHaveLength(1);
    expect(issues[0]?.path).toEqual(path);
    expect(issues[0]?.message).toContain(message);
  });

  it('refuses a resource that is no pool', async () => {
    const context = { environment: testEnvironment(), path: 'session.backend', resource: () => ({}) };
    await expect(async () => module.create(valid(module, usual), context)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: 'pool must be a Pool of the package pg',
    });
  });
});

describe('the postgres backend in code', () => {
  it.each([
    [{ table: '' }, 'table: a name of 0 bytes'],
    [{ table: 'a\0b' }, 'cannot keep'],
    [{ schema: 'x'.repeat(64) }, 'schema: a name of 64 bytes'],
    [{ names: { ip: 'sid' } }, '"sid" already names another column'],
    [{ writeWithin: 0 }, 'writeWithin'],
  ])('refuses the options %j', (options, message) => {
    const pool = place.pool();
    expect(() => postgres(pool, options)).toThrow(message);
    expect(() => postgres(pool, options)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});
