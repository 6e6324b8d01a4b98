import { IN_TIME } from './database.js';
import type { Column, Tables } from './options.js';
import type { Value } from './pool.js';
import { type Encoded, momentOf, recordColumns } from './record.js';

/** The largest `bigint`. */
const LAST = '9223372036854775807';
/** The last time that JavaScript knows, ms of the Unix epoch. */
const LAST_TIME = 8_640_000_000_000_000;

/** A list of ids, which travels as one parameter whatever its length: JSON. */
export const IDS = `json_table(?, '$[*]' columns (sid varchar(27) character set utf8mb4 path '$')) j`;

/** A derived table with this stands apart: it is done, and its rows are locked, before the rest of its statement begins. */
const APART = 'limit 18446744073709551615 for update';

/** A statement and its parameters. */
type Write<Given extends readonly unknown[]> = {
  readonly sql: string;
  values(...given: Given): Value[];
};

/** All writes take the time after which they are late as their last parameter. */
export interface Statements {
  readonly loadOne: string;
  readonly load: string;
  readonly insert: Write<[Encoded]>;
  readonly update: Write<[Encoded]>;
  readonly standing: string;
  readonly touch: string;
  readonly untouched: string;
  readonly end: string;
  readonly endings: string;
}

/** A time that a column holds; null for a number that is none, which only somebody else writes. */
const sane = (column: string) =>
  `case when ${column} between -${LAST_TIME} and ${LAST_TIME} then ${column} end`;

/** When a row that has not ended is dead. Whatever somebody else has written there, it is a number that fits. */
export function deadFromOf({ c }: Tables): string {
  const idleFrom = `cast(t.${c.seenAt} as decimal(30)) + t.${c.idle}`;
  const times = [idleFrom, `t.${c.endsAt}`, `t.${c.killAt}`, LAST];
  return `cast(least(${times.map((time) => `coalesce(${time}, ${LAST})`).join(', ')}) as signed)`;
}

/**
 * The statements of the records. Each is a transaction of its own. Rows of a chunk are locked in the order in which
 * they are given, and only then the time is looked at: one that waited too long for a lock changes nothing.
 */
export function statementsOf(tables: Tables): Statements {
  const { sessions: table, c } = tables;
  const columns = recordColumns(tables);
  return {
    loadOne: `select ${columns} from ${table} t where t.${c.sid} = ?`,
    load: `select straight_join ${columns} from ${IDS} join ${table} t on t.${c.sid} = j.sid`,
    insert: insert(tables),
    update: update(tables),
    // Asked only when a save was refused: was it stored before, did another win, or was it late?
    standing: `select t.${c.version}, t.${c.ended} is not null, t.${c.record} from ${table} t where t.${c.sid} = ?`,
    touch: touch(tables),
    // Asked only when a touch found fewer than it was given.
    untouched: `select straight_join t.${c.sid}, t.${c.ended} is null, t.${c.epoch}, t.${c.seenAt} from ${IDS} join ${table} t on t.${c.sid} = j.sid`,
    end: end(tables),
    // Asked only when an end found fewer than it was given.
    endings: `select straight_join t.${c.sid}, t.${c.ended} from ${IDS} join ${table} t on t.${c.sid} = j.sid`,
  };
}

const STORED: readonly (readonly [Column, keyof Encoded, string?])[] = [
  ['sid', 'id'],
  ['version', 'version'],
  ['service', 'service'],
  ['user', 'user'],
  ['ip', 'ip'],
  ['start', 'start'],
  ['stop', 'stop', momentOf('?')],
  ['epoch', 'epoch'],
  ['seenAt', 'seenAt'],
  ['idle', 'idle'],
  ['endsAt', 'endsAt'],
  ['killAt', 'killAt'],
  ['dueAt', 'dueAt'],
  ['secretHash', 'secretHash'],
  ['controls', 'controls'],
  ['record', 'rest'],
  ['data', 'data'],
];

function insert({ sessions: table, c }: Tables): Write<[Encoded]> {
  const names = STORED.map(([column]) => c[column]).join(', ');
  const places = STORED.map(([, , expression = '?']) => expression).join(', ');
  return {
    sql: `insert into ${table} (${names}) select ${places} from dual where ${IN_TIME}`,
    values: (record) => STORED.map(([, member]) => record[member]),
  };
}

function update({ sessions: table, c }: Tables): Write<[Encoded]> {
  const killAt = sane(c.killAt);
  // Neither a later use nor an earlier kill is forgotten. An earlier `due_at` stays: the sweep finds out, and the row keeps its place in the index. Members are set one
  // after the other: what reads an old one stands before what sets it.
  const set = [
    `${c.stop} = ${momentOf(`least(?, coalesce(${killAt}, ?))`)}`,
    `${c.killAt} = coalesce(least(${killAt}, ?), ${killAt}, ?)`,
    `${c.seenAt} = greatest(coalesce(${sane(c.seenAt)}, ?), ?)`,
    `${c.dueAt} = least(coalesce(${c.dueAt}, ?), ?)`,
    ...UPDATED.map(([column]) => `${c[column]} = ?`),
  ];
  return {
    sql: `update ${table} set ${set.join(', ')}
where ${c.sid} = ? and ${c.version} = ? - 1 and ${c.ended} is null and ${IN_TIME}`,
    values: (record) => {
      const { id, version, stop, killAt: kill, seenAt, dueAt } = record;
      const plain = UPDATED.map(([, member]) => record[member]);
      return [stop, stop, kill, kill, seenAt, seenAt, dueAt, dueAt, ...plain, id, version];
    },
  };
}

const SPECIAL: readonly Column[] = ['sid', 'stop', 'killAt', 'seenAt', 'dueAt'];
const UPDATED = STORED.filter(([column]) => !SPECIAL.includes(column));

function touch({ sessions: table, c }: Tables): string {
  const asked = `json_table(?, '$[*]' columns (sid varchar(27) character set utf8mb4 path '$[0]', epoch bigint path '$[1]', seen bigint path '$[2]')) j`;
  return `update (
  select straight_join x.${c.sid} as sid, j.seen from ${asked} join ${table} x on x.${c.sid} = j.sid
  where x.${c.ended} is null and x.${c.epoch} = j.epoch ${APART}
) own straight_join ${table} t on t.${c.sid} = own.sid
set t.${c.seenAt} = greatest(coalesce(t.${c.seenAt}, own.seen), own.seen) where ${IN_TIME}`;
}

function end({ sessions: table, c }: Tables): string {
  return `update (
  select straight_join x.${c.sid} as sid from ${IDS} join ${table} x on x.${c.sid} = j.sid
  where x.${c.ended} is null ${APART}
) open straight_join ${table} t on t.${c.sid} = open.sid
set t.${c.ended} = ?, t.${c.over} = 1, t.${c.data} = '{}', t.${c.dueAt} = ? where ${IN_TIME}`;
}
