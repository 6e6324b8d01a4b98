import { type Millis, type SessionId, type SessionRecord, stopAt } from '@sessionkit/session-core';
import type { Command } from './client.js';
import type { Script, ScriptCommand } from './script.js';
import { KEPT_LATE } from './scripts.js';
import type { RedisStore } from './store.js';

/**
 * A member of an index: the id, a blank, the time at which it was added in base 36. All have the score 0, so that they are in the order of the ids; a blank is less than
 * anything that an id is made of, and `!` the next after it.
 */
function memberOf(id: SessionId, at: Millis): string {
  return `${id} ${at.toString(36)}`;
}

export function idOf(member: string): SessionId {
  const blank = member.indexOf(' ');
  return (blank < 0 ? member : member.slice(0, blank)) as SessionId;
}

export function timeOf(member: string): Millis {
  return Number.parseInt(member.slice(member.indexOf(' ') + 1), 36) || 0;
}

/** Bound of a range of members: everything behind this id. */
export function behind(id: string): string {
  return `(${id}!`;
}

type Indexed = Pick<SessionRecord, 'id' | 'service' | 'user' | 'endsAt' | 'killAt'>;

/** Adds a session to its indexes, but for those where it is already. An index lives as long as the last of its sessions can. */
export function addEntries(
  store: RedisStore,
  record: Indexed,
  at: Millis,
  { ended = false, except = [] }: { ended?: boolean; except?: readonly string[] } = {},
): ScriptCommand[] {
  const until = `${stopAt(record) + KEPT_LATE}`;
  const member = memberOf(record.id, at);
  const add = ended ? store.scripts.addEnded : store.scripts.add;
  return store.keys
    .indexes(record.service, record.user, ended)
    .filter((key) => !except.includes(key))
    .map((key) => add.command([key], [member, '0', until]));
}

/** Lets indexes live as long as this one of their sessions can. */
export function keepEntries(keys: readonly string[], until: Millis, add: Script): ScriptCommand[] {
  return keys.map((key) => add.command([key], ['', '0', `${until + KEPT_LATE}`]));
}

/** When the sweep has to look at a session; what is known to be due earlier stays so. */
export function dueEntry(
  store: RedisStore,
  id: SessionId,
  due: Millis,
  until: Millis,
  add: Script = store.scripts.add,
): ScriptCommand {
  return add.command([store.keys.due], [id, `${due}`, `${until + KEPT_LATE}`, 'LT']);
}

/** Takes a session out of these indexes, whenever it was added. */
export function dropEntries(id: SessionId, keys: readonly string[]): Command[] {
  return keys.map((key) => ['ZREMRANGEBYLEX', key, `[${id} `, behind(id)]);
}
