import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startMariadb } from '@sessionkit/test-stores/mariadb';
import { makeRecord, testEnvironment } from '@sessionkit/testkit';
import { createPool as createCallbackPool } from 'mysql2';
import { describe, expect, it } from 'vitest';
import { statements } from '../src/ddl.js';
import { ddl, mysql, type TableOptions } from '../src/index.js';
import module from '../src/module.js';
import { tablesOf } from '../src/options.js';
import { awkward, outcome, readable, signal, startPlace, valid } from './store.js';

const place = await startPlace();
const { database, admin, ask } = place;
const faultOf = (doing: Promise<unknown>) =>
  doing.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error as { readonly code: string; readonly message: string },
  );
/** What the message says has to be done. */
const fixOf = (message: string) => message.slice(message.indexOf('alter table'));
const made = (options: TableOptions) => admin.query(ddl({ database, ...options }));

describe('the DDL', () => {
  it('of the package is what is generated for the usual names', () => {
    const file = join(import.meta.dirname, '..', 'sql', 'mysql.sql');
    expect(readFileSync(file, 'utf8')).toBe(ddl());
    expect(statements(tablesOf({})).join('\n')).toBe(ddl());
  });

  it('creates tables that fit, for names that need quoting, and changes nothing the second time', async () => {
    const options = { table: awkward('ddl'), names: { sid: 'select', data: awkward('data') } };
    await made(options);
    await made(options);
    await place.backend({ ...options, createTable: false }).check();
  });

  it('keeps names of indexes and further tables apart when that of the table is long', async () => {
    const long = ['x', 'y'].map((last) => 'ö'.repeat(60) + last);
    for (const table of long) await place.backend({ table }).check();
    expect(new Set(long.map((table) => tablesOf({ table }).journal)).size).toBe(2);
    const rows = await ask(
      `select count(*) as many from information_schema.tables where table_schema = ? and table_name like 'ö%'`,
      [database],
    );
    expect(rows[0]?.many).toBe(2 * 4);
  });

  it('compares ids, users and services byte by byte: case, accents and blanks at the end count', async () => {
    const backend = place.backend({ table: 'bytes' });
    const environment = testEnvironment({ start: Date.now() });
    const users = ['ann', 'Ann', 'ann ', 'änn', 'a\u0308nn'];
    for (const user of users)
      expect(await backend.save(makeRecord(environment, { user, service: user }), signal)).toBe(true);
    for (const user of users) {
      expect(await backend.count({ user }, signal), user).toBe(1);
      expect(await backend.count({ service: user }, signal), user).toBe(1);
    }
    // What the usual collation of a server makes of them.
    const [same] = await ask(`select 'ann' = 'Ann' as letters, 'ann' = 'ann ' as blanks`);
    expect(same).toEqual({ letters: 1, blanks: 1 });
  });
});

describe('at start', () => {
  it('a table that lacks columns is refused, with the statement that adds them', async () => {
    const options = { table: 'lacking', names: { ip: 'the `ip`' } };
    await made(options);
    await admin.query('alter table lacking drop column `the ``ip```, drop column idle, drop column user_id');
    const { code, message } = await faultOf(place.backend({ ...options, createTable: false }).check());
    expect(code).toBe('CONFIG_INVALID');
    expect(message).toContain('lacks the columns user_id, the `ip`, idle: alter table');
    await admin.query(fixOf(message));
    await place.backend(options).check();
  });

  it.each([
    ['data', 'json', 'json'],
    ['data', 'text character set utf8mb4', 'text character set utf8mb4'],
    ['record', 'longtext character set latin1', 'longtext character set latin1'],
    ['user_id', 'varchar(255) character set utf8mb4', 'varchar(255) character set utf8mb4'],
    ['service', 'varbinary(100)', 'varbinary(100)'],
    ['start', 'datetime', 'datetime(0)'],
    ['seen_at', 'int', 'int'],
  ])(
    'a column %s of the type %s is refused, with the statement that changes it',
    async (column, type, is) => {
      const options = { table: `typed_${column}_${type.replace(/\W/g, '')}` };
      await made(options);
      await admin.query(`alter table ${options.table} modify column ${column} ${type}`);
      const { code, message } = await faultOf(place.backend({ ...options, createTable: false }).check());
      expect(code).toBe('CONFIG_INVALID');
      expect(message).toContain(
        `the column ${column} of \`${database}\`.\`${options.table}\` has the type ${is}, not `,
      );
      await admin.query(fixOf(message));
      await place.backend(options).check();
    },
  );

  it('a column with more room than needed is taken', async () => {
    await made({ table: 'roomy' });
    await admin.query(
      'alter table roomy modify column service varbinary(300) not null, modify column start datetime(6) not null',
    );
    await place.backend({ table: 'roomy', createTable: false }).check();
  });

  it('a table without a unique id is refused, with the statement that makes it so', async () => {
    await made({ table: 'keyless' });
    await admin.query('drop table keyless_journal; alter table keyless drop primary key');
    const { code, message } = await faultOf(place.backend({ table: 'keyless', createTable: false }).check());
    expect(code).toBe('CONFIG_INVALID');
    expect(message).toContain('the table');
    await admin.query('alter table keyless add key (sid)');
    const { message: keyless } = await faultOf(place.backend({ table: 'keyless' }).check());
    expect(keyless).toContain('has no unique index on sid: alter table');
    await admin.query(fixOf(keyless));
    await place.backend({ table: 'keyless' }).check();
  });

  it('a table that is not there is refused unless it may be created', async () => {
    const absent = place.backend({ table: 'absent', createTable: false });
    for (const doing of [absent.check(), absent.load([], signal), absent.count({}, signal)]) {
      const { code, message } = await faultOf(doing);
      expect(code).toBe('CONFIG_INVALID');
      expect(message).toContain(`the table \`${database}\`.\`absent\` is not there`);
    }
    await made({ table: 'absent' });
    expect(await absent.count({}, signal)).toBe(0);
  });

  it('ten that create the same tables at once do not collide', async () => {
    for (const table of ['first', 'second', 'third']) {
      const backends = Array.from({ length: 10 }, () =>
        place.backend({ table, pool: place.pool({ connectionLimit: 1 }) }),
      );
      await Promise.all(backends.map((each) => each.check()));
    }
  });

  it('connections with another character set are refused, with what to do', async () => {
    const { code, message } = await faultOf(
      place.backend({ pool: place.pool({ charset: 'latin1' }) }).check(),
    );
    expect(code).toBe('CONFIG_INVALID');
    expect(message).toContain(`latin1, not utf8mb4: make the pool with charset: 'utf8mb4'`);
  });

  it('a server without autocommit, or whose clock stands still during a statement, is refused', async () => {
    for (const [flag, said] of [
      ['--autocommit=0', 'autocommit is off'],
      ['--sysdate-is-now', 'sysdate-is-now'],
    ] as const) {
      const server = await startMariadb({ args: [flag] });
      const pool = createCallbackPool({ uri: server.url });
      try {
        const { code, message } = await faultOf(mysql(pool, { createTable: true }).check());
        expect(code).toBe('CONFIG_INVALID');
        expect(message).toContain(said);
      } finally {
        await pool.promise().end();
        await server.stop();
      }
    }
  }, 60_000);
});

describe('the mysql backend in a YAML file', () => {
  const usual = { type: 'mysql', resource: 'db' };

  it('needs its resource and nothing else', () => {
    expect(outcome(module, usual).value).toEqual({
      ...usual,
      table: 'sessions',
      sid_field: 'sid',
      fields: {},
      create_table: false,
    });
    expect(module.resourceClass).toBe('mysql');
  });

  it('takes the parameters of SXAPI as its document names them, and shows rows under them', async () => {
    const fields = { ip: 'ip_sess', start: 'start_sess', stop: 'stop_sess', user: 'who' };
    const section = {
      ...usual,
      database,
      table: 'sxapi',
      sid_field: 'token_sess',
      fields,
      create_table: true,
    };
    const environment = testEnvironment();
    const context = { environment, path: 'session.backend', resource: () => place.pool() };
    const backend = await module.create(valid(module, section), context);
    const killAt = environment.now() + 5_000;
    const record = makeRecord(environment, { user: 'ann', data: '{"n":1}', killAt });
    expect(await backend.save(record, signal)).toBe(true);
    const [row] = await ask(
      `select token_sess, who, ip_sess, cast(start_sess as char) as start_sess, cast(stop_sess as char) as stop_sess,
       json_value(data, '$.n') as n, ended from sxapi`,
    );
    const utc = (ms: number) => new Date(ms).toISOString().slice(0, 23).replace('T', ' ');
    expect(readable(row ?? expect.fail())).toEqual({
      token_sess: record.id,
      who: 'ann',
      ip_sess: '192.0.2.7',
      start_sess: utc(record.startedAt),
      stop_sess: utc(killAt),
      n: '1',
      ended: null,
    });
    await backend.close();
  });

  it.each([
    [{ type: 'mysql' }, ['resource'], 'string'],
    [{ ...usual, tabel: 'x' }, [], 'tabel'],
    [{ ...usual, fields: { end: 'x' } }, ['fields'], 'end'],
    [{ ...usual, fields: { ip: 'x', stop: 'X' } }, ['fields'], 'choose another name'],
    [{ ...usual, sid_field: 'data' }, ['fields'], 'choose another name'],
    [{ ...usual, sid_field: '' }, ['sid_field'], '1'],
    [{ ...usual, fields: { ip: 'é'.repeat(65) } }, ['fields', 'ip'], '65 characters'],
    [{ ...usual, fields: { ip: '😀' } }, ['fields', 'ip'], 'cannot keep'],
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
      message: 'pool must be a pool of the package mysql2',
    });
  });
});

describe('the mysql backend in code', () => {
  it('takes a pool of mysql2 as well as one of mysql2/promise, whatever it is set to', async () => {
    const set = {
      dateStrings: true,
      decimalNumbers: true,
      namedPlaceholders: true,
      nestTables: true,
      rowsAsArray: false,
      supportBigNumbers: false,
      typeCast: () => 'spoilt',
      flags: ['-FOUND_ROWS'],
      timezone: '+05:00',
    };
    const plain = createCallbackPool({ uri: place.url, database, ...set });
    place.atEnd(() => plain.promise().end());
    const environment = testEnvironment({ start: Date.now(), random: 3 });
    for (const pool of [plain, place.pool(set)]) {
      const backend = mysql(pool, { database, table: 'set', createTable: true });
      const record = makeRecord(environment, { user: 'ann', data: '{"n":1.50}' });
      expect(await backend.save(record, signal)).toBe(true);
      expect(await backend.load([record.id], signal)).toEqual([record]);
      const { id, epoch, seenAt } = record;
      // Found, but not changed: such connections count changes alone.
      for (const at of [seenAt, seenAt - 5, seenAt + 5])
        expect(await backend.touch([{ id, epoch, seenAt: at }], signal)).toEqual([]);
      expect(await backend.load([id], signal)).toMatchObject([{ seenAt: seenAt + 5 }]);
    }
  });

  it.each([
    [{ table: '' }, 'table: a name of 0 characters'],
    [{ table: 'a\0b' }, 'cannot keep'],
    [{ table: 'a ' }, 'cannot keep'],
    [{ database: 'x'.repeat(65) }, 'database: a name of 65 characters'],
    [{ names: { ip: 'SID' } }, '"SID" already names another column'],
    [{ writeWithin: 0 }, 'writeWithin'],
  ])('refuses the options %j', (options, message) => {
    const pool = place.pool();
    expect(() => mysql(pool, options)).toThrow(message);
    expect(() => mysql(pool, options)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});
