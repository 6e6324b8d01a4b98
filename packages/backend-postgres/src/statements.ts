import { LATE, type Statement, statement } from './database.js';
import type { Tables } from './options.js';
import { recordColumns } from './record.js';

export interface Statements {
  readonly load: Statement;
  readonly insert: Statement;
  readonly update: Statement;
  readonly standing: Statement;
  readonly touch: Statement;
  readonly end: Statement;
  readonly sweep: Statement;
}

/** The largest `bigint`. */
const LAST = '9223372036854775807';
/** The last time that PostgreSQL and JavaScript both know, ms of the Unix epoch. */
const LAST_TIME = 8_640_000_000_000_000;

/** A parameter in ms of the Unix epoch as a point in time. */
export const moment = (parameter: string) => `to_timestamp(${parameter}::float8 / 1000)`;

/** Holds while a write is in time. Its parameter is the last of every write: {@link Database.write}. */
export const inTime = (parameter: string) => `clock_timestamp() < ${moment(parameter)}`;

/**
 * The row that tells that a write came too late, in a list of so many columns. The time is looked at when `written` is: a part that changes something, which
 * would run after all others if nothing asked for it.
 */
export const lateRow = (parameter: string, written: string, columns = 1) =>
  `select '${LATE}'${', null'.repeat(columns - 1)} from (select count(*) from ${written}) every where not ${inTime(parameter)}`;

/** A time that a column holds; null for a number that is none, which only somebody else writes. */
const sane = (column: string) =>
  `case when ${column} between -${LAST_TIME} and ${LAST_TIME} then ${column} end`;

/** Makes the commit of a transaction wait for the synchronous standbys, whatever the setting of the server. */
const SYNCHRONOUS = `set_config('synchronous_commit', 'on', true) is not null`;
/** The same for a transaction that may find everything done: a commit waits for what its transaction has written, so it writes a message that nobody reads. */
const SETTLED = `${SYNCHRONOUS} and pg_logical_emit_message(true, 'sessionkit', '') is not null`;

/** When a row that has not ended is dead. Whatever somebody else has written there, it is a number that fits. */
export const deadFromOf = ({ c }: Tables) =>
  `least(t.${c.seenAt}::numeric + t.${c.idle}, t.${c.endsAt}, t.${c.killAt}, ${LAST})::bigint`;

/**
 * The statements of the records. Rows are locked first, in the order of their ids, so that no two of these wait for each other; only then the time is looked
 * at, so that one that waited too long for a lock changes nothing.
 */
export function statementsOf(tables: Tables, durable = false): Statements {
  const { sessions: table, c } = tables;
  const timely = (parameter: string) => `${inTime(parameter)}${durable ? ` and ${SYNCHRONOUS}` : ''}`;
  return {
    load: statement(`select ${recordColumns(tables)} from ${table} t where t.${c.sid} = any($1::text[])`),
    insert: insert(tables, timely),
    update: update(tables, timely),
    // Asked only when a save was refused: was it stored before, did another win, or was it late?
    standing: statement(
      `select t.${c.version}, t.${c.ended} is not null, t.${c.record}::text from ${table} t where t.${c.sid} = $1${durable ? ` and ${SETTLED}` : ''}`,
    ),
    touch: touch(tables),
    end: end(tables, timely, durable),
    sweep: sweep(tables),
  };
}

type InTime = (parameter: string) => string;

function insert({ sessions: table, c }: Tables, timely: InTime): Statement {
  const columns = [
    [c.sid, '$1::text'],
    [c.version, '$2::bigint'],
    [c.service, '$3::text'],
    [c.user, '$4::text'],
    [c.ip, '$5::text'],
    [c.start, moment('$6')],
    [c.stop, moment('$7')],
    [c.epoch, '$8::bigint'],
    [c.seenAt, '$9::bigint'],
    [c.idle, '$10::bigint'],
    [c.endsAt, '$11::bigint'],
    [c.killAt, '$12::bigint'],
    [c.dueAt, '$13::bigint'],
    [c.secretHash, '$14::text'],
    [c.controls, '$15::json'],
    [c.record, '$16::json'],
    [c.data, '$17::json'],
    [c.announced, '0'],
  ];
  return statement(
    `insert into ${table} (${columns.map(([name]) => name).join(', ')})
select ${columns.map(([, value]) => value).join(', ')} where ${timely('$18')}
on conflict (${c.sid}) do nothing returning true`,
  );
}

function update({ sessions: table, c, channel }: Tables, timely: InTime): Statement {
  const killAt = `least(${sane(`t.${c.killAt}`)}, $12::bigint)`;
  // Neither a later use nor an earlier kill is forgotten. An earlier `due_at` stays: the sweep finds out, and the row keeps its place in the index.
  return statement(
    `with own as materialized (
  select t.${c.sid} as sid from ${table} t
  where t.${c.sid} = $1::text and t.${c.version} = $2::bigint - 1 and t.${c.ended} is null
  for no key update
), timely as materialized (
  select sid from own where ${timely('$18')}
), saved as (
  update ${table} t set ${c.version} = $2::bigint, ${c.service} = $3::text, ${c.user} = $4::text, ${c.ip} = $5::text,
    ${c.start} = ${moment('$6')}, ${c.stop} = least(${moment('$7')}, ${moment(sane(`t.${c.killAt}`))}),
    ${c.epoch} = $8::bigint, ${c.seenAt} = greatest(${sane(`t.${c.seenAt}`)}, $9::bigint), ${c.idle} = $10::bigint,
    ${c.endsAt} = $11::bigint, ${c.killAt} = ${killAt}, ${c.dueAt} = least(t.${c.dueAt}, $13::bigint),
    ${c.secretHash} = $14::text, ${c.controls} = $15::json, ${c.record} = $16::json, ${c.data} = $17::json,
    ${c.announced} = case
      when t.${c.user} is distinct from $4::text or t.${c.epoch} <> $8::bigint or t.${c.secretHash} <> $14::text
        or t.${c.killAt} is distinct from ${killAt} or t.${c.controls}::text <> $15::text
      then $2::bigint else t.${c.announced} end
  from timely where t.${c.sid} = timely.sid and t.${c.version} = $2::bigint - 1 and t.${c.ended} is null
  returning t.${c.version} as version, t.${c.announced} as announced
)
select case when announced = version
  then pg_notify('${channel}', json_build_object('id', $1::text, 'version', version, 'what', 'saved')::text)::text end
from saved`,
  );
}

function touch({ sessions: table, c }: Tables): Statement {
  // What is dead is told by the rows as they were when the statement began: a row that is locked is never taken for one that is gone.
  return statement(
    `with asked as materialized (
  select * from unnest($1::text[], $2::bigint[], $3::bigint[]) as a(sid, epoch, seen)
), behind as materialized (
  select a.sid, a.seen from asked a join ${table} t on t.${c.sid} = a.sid
  where t.${c.ended} is null and t.${c.epoch} = a.epoch and t.${c.seenAt} < a.seen
  order by t.${c.sid} for no key update of t
), timely as materialized (
  select sid, seen from behind where ${inTime('$4')}
), moved as (
  update ${table} t set ${c.seenAt} = greatest(t.${c.seenAt}, timely.seen) from timely
  where t.${c.sid} = timely.sid and t.${c.ended} is null
  returning true
)
select a.sid from asked a left join ${table} t on t.${c.sid} = a.sid
where t.${c.sid} is null or t.${c.ended} is not null or t.${c.epoch} <> a.epoch
union all ${lateRow('$4', 'moved')}`,
  );
}

function end({ sessions: table, c, channel }: Tables, timely: InTime, durable: boolean): Statement {
  // It writes also when all have ended already, perhaps without a standby knowing of it.
  const settled = durable ? ` union all select null, null where not (${SETTLED})` : '';
  return statement(
    `with open as materialized (
  select t.${c.sid} as sid from ${table} t where t.${c.sid} = any($1::text[]) and t.${c.ended} is null
  order by t.${c.sid} for no key update
), timely as materialized (
  select sid from open where ${timely('$5')}
), gone as (
  update ${table} t set ${c.ended} = $2::json, ${c.data} = '{}', ${c.dueAt} = $3::bigint from timely
  where t.${c.sid} = timely.sid and t.${c.ended} is null
  returning t.${c.sid} as sid, t.${c.version} as version
)
select sid, pg_notify('${channel}', json_build_object('id', sid, 'version', version, 'what', 'ended', 'cause', $4::text)::text)::text
from gone${settled} union all ${lateRow('$5', 'gone', 2)}`,
  );
}

/** Answers how many rows were due, and the ids of those that were removed. The others are due later than it was thought. */
function sweep(tables: Tables): Statement {
  const { sessions: table, claims, presence, c } = tables;
  const real = `case when t.${c.ended} is null then ${deadFromOf(tables)} else t.${c.dueAt} end`;
  return statement(
    `with turn as materialized (
  select pg_try_advisory_xact_lock(hashtextextended('sessionkit sweep ${table.replaceAll("'", "''")}', 0)) as own
), due as materialized (
  select t.${c.sid} as sid, ${real} as real from ${table} t
  where (select own from turn) and t.${c.dueAt} < $1::bigint
  order by t.${c.dueAt} limit $2::int for update of t skip locked
), gone as (
  delete from ${table} t using due where t.${c.sid} = due.sid and due.real < $1::bigint returning t.${c.sid} as sid
), later as (
  update ${table} t set ${c.dueAt} = due.real from due where t.${c.sid} = due.sid and due.real >= $1::bigint
), lapsed as (
  delete from ${claims} where (select own from turn) and last_at < $1::bigint - 60000
), left_open as (
  delete from ${presence} where (select own from turn) and lease_end < clock_timestamp()
)
select (select count(*) from due), coalesce((select json_agg(sid) from gone), '[]')::text`,
  );
}
