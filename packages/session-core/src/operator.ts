import { type Alteration, withAlteration, withRestart } from './alterations.js';
import { withKill } from './changes.js';
import type { Environment, Millis } from './environment.js';
import { SessionError } from './errors.js';
import { events } from './events.js';
import type { Filter } from './filter.js';
import type { SessionId } from './id.js';
import { type Head, headOf, type SessionRecord } from './record.js';
import type { Actor, Guard, RestartOptions, SessionInfo, SessionOwner } from './service.js';
import type { Store } from './store.js';

interface Found {
  readonly store: Store;
  readonly record: SessionRecord;
  readonly info: SessionInfo;
}

/** What a guard threw, on its way through the lane. */
class Prevented {
  constructor(readonly reason: unknown) {}
}

const allow: Guard = () => undefined;

/** What the operator's verbs need of their manager. */
export interface OperatorParts {
  readonly environment: Environment;
  filters(): ReadonlyMap<string, Filter>;
  stores(): Iterable<Store>;
  describe(head: Head, store: Store): SessionInfo;
  keepEnded(record: SessionRecord): Millis;
}

/** What an operator does to one session, whichever store has it. */
export class Operator {
  readonly #parts: OperatorParts;

  constructor(parts: OperatorParts) {
    this.#parts = parts;
  }

  async find(id: SessionId): Promise<Found | undefined> {
    const found = await Promise.all(
      [...this.#parts.stores()].map(async (store) => ({ store, record: await store.load(id) })),
    );
    for (const { store, record } of found) {
      if (record === undefined) continue;
      const info = this.#parts.describe(headOf(record), store);
      return info.alive ? { store, record, info } : undefined;
    }
    return undefined;
  }

  /** Whose a session is, or was as long as its record is kept. */
  async owner(id: SessionId): Promise<SessionOwner | undefined> {
    const records = await Promise.all([...this.#parts.stores()].map((store) => store.load(id)));
    const record = records.find((each) => each !== undefined);
    return record && { service: record.service, user: record.user };
  }

  async end(id: SessionId, actor: Actor, ttl: Millis = 0, guard: Guard = allow): Promise<boolean> {
    if (!(ttl >= 0))
      throw new SessionError('INVALID_VALUE', `ttl must be a number of ms, at least 0, not ${ttl}`);
    const found = await this.find(id);
    if (found === undefined) return false;
    const { store, record } = found;
    if (ttl > 0) {
      const until = (base: SessionRecord) => withKill(base, store.now() + ttl);
      const set = await this.#change(found, until, guard);
      if (set) this.#tell('ending', actor, `ends the session within ${ttl} ms`, record);
      return set;
    }
    guard(found.info);
    const ended = await store.end([id], 'killed', actor.name, this.#parts.keepEnded(record));
    if (ended.includes(id)) this.#log(`${actor.name} ended the session`, record);
    return ended.includes(id);
  }

  async alter(id: SessionId, change: Alteration, actor: Actor, guard: Guard = allow): Promise<boolean> {
    for (const name of change.filters ?? []) {
      if (!this.#parts.filters().has(name))
        throw new SessionError('INVALID_VALUE', `there is no filter "${name}"`);
    }
    const parameters = Object.fromEntries(
      Object.entries(change.parameters ?? {}).filter(([, value]) => value !== undefined),
    );
    const found = await this.find(id);
    if (found === undefined) return false;
    const wanted: Alteration = { parameters, filters: change.filters };
    const altered = await this.#change(found, (base, now) => withAlteration(base, wanted, now), guard);
    if (altered) this.#tell('altered', actor, `set ${JSON.stringify(wanted)}`, found.record);
    return altered;
  }

  async restart(
    id: SessionId,
    actor: Actor,
    options: RestartOptions = {},
    guard: Guard = allow,
  ): Promise<boolean> {
    const found = await this.find(id);
    if (found === undefined) return false;
    const { reset = false } = options;
    const restarted = await this.#change(found, (base, now) => withRestart(base, reset, now), guard);
    if (restarted) this.#tell('restarted', actor, 'restarted the session', found.record);
    return restarted;
  }

  /** An operator's change. False when the session ended meanwhile. */
  async #change(
    { store, record }: Found,
    apply: (record: SessionRecord, now: Millis) => SessionRecord,
    guard: Guard,
  ): Promise<boolean> {
    try {
      await store.lanes.submit({
        base: record,
        bound: false,
        closes: false,
        apply: (base, now) => {
          try {
            guard(this.#parts.describe(headOf(base), store));
          } catch (reason) {
            throw new Prevented(reason);
          }
          return apply(base, now);
        },
      });
      return true;
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      if (error.cause instanceof Prevented) throw error.cause.reason;
      if (error.code === 'CONFLICT' && !error.retryable) return false;
      throw error;
    }
  }

  #tell(what: 'altered' | 'restarted' | 'ending', { name }: Actor, did: string, record: SessionRecord): void {
    this.#log(`${name} ${did}`, record);
    if (!events.altered.hasSubscribers) return;
    const { id, service, user } = record;
    events.altered.publish({ id, service, user, by: name, what });
  }

  #log(message: string, { id, service }: SessionRecord): void {
    this.#parts.environment.log({ level: 'notice', message, service, session: id });
  }
}
