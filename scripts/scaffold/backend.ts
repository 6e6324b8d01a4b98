import {
  type Backend,
  type BackendTraits,
  type Change,
  type Claim,
  type Ending,
  type Head,
  type Inspectable,
  type Journal,
  type JournalBatch,
  type JournalEntry,
  type Link,
  type Millis,
  type Page,
  type PageQuery,
  type Presence,
  type Query,
  SessionError,
  type SessionId,
  type SessionRecord,
  type Sweepable,
  type Touch,
  type UserSlots,
  type Watchable,
} from '@sessionkit/session-core';
import type { CheckedOptions } from './options.js';

/** What is really stored of a session, as an operator's query of the store shows it: no hash, no secret. */
export type Row = Readonly<Record<string, unknown>>;

/** What the store is. It only describes; an ability is the presence of its methods. */
const TRAITS: BackendTraits = {
  durable: false,
  shared: false,
  approximate: false,
  maxRecordBytes: undefined,
  staleness: 0,
  lateWrites: false,
};

function toWrite(verb: string): never {
  throw new SessionError('UNSUPPORTED', `write me: ${verb}`);
}

/**
 * One instance on a store. What each verb promises stands above it in `backend.ts` of session-core. An ability that the store can't have goes: its interface and methods here, and its name
 * in `abilities` of `module.ts`.
 */
export class MemoryBackend
  implements Backend, Inspectable, Sweepable, Watchable, UserSlots, Journal, Presence
{
  readonly type = 'memory';
  readonly traits = TRAITS;

  /** Made by {@link memory} and {@link share}. */
  constructor(protected readonly options: CheckedOptions) {}

  /** Another instance on the same store, as another service or process would have it. Each is closed on its own. */
  share(): MemoryBackend {
    return new MemoryBackend(this.options);
  }

  /** What is stored under `id`, for tests and operators; undefined when nothing is. */
  row(id: SessionId): Row | undefined {
    return toWrite(`row of ${id}`);
  }

  async load(_ids: readonly SessionId[], _signal: AbortSignal): Promise<(SessionRecord | undefined)[]> {
    return toWrite('load');
  }

  async save(_record: SessionRecord, _signal: AbortSignal): Promise<boolean> {
    return toWrite('save');
  }

  async touch(_batch: readonly Touch[], _signal: AbortSignal): Promise<SessionId[]> {
    return toWrite('touch');
  }

  async end(_ids: readonly SessionId[], _how: Ending, _signal: AbortSignal): Promise<SessionId[]> {
    return toWrite('end');
  }

  async now(_signal: AbortSignal): Promise<Millis> {
    return toWrite('now');
  }

  /** Gives back what this instance holds. After it every other verb fails with `BACKEND_CLOSED`. */
  async close(): Promise<void> {}

  async list(_query: PageQuery, _signal: AbortSignal): Promise<Page<Head>> {
    return toWrite('list');
  }

  async count(_query: Query, _signal: AbortSignal): Promise<number> {
    return toWrite('count');
  }

  async sweep(_deadBefore: Millis, _limit: number, _signal: AbortSignal): Promise<SessionId[]> {
    return toWrite('sweep');
  }

  async watch(_onChange: (change: Change) => void): Promise<() => Promise<void>> {
    return toWrite('watch');
  }

  async claim(_claim: Claim, _signal: AbortSignal): Promise<SessionId[]> {
    return toWrite('claim');
  }

  async append(_batch: JournalBatch, _signal: AbortSignal): Promise<void> {
    return toWrite('append');
  }

  async read(_ids: readonly SessionId[], _signal: AbortSignal): Promise<JournalEntry[][]> {
    return toWrite('read');
  }

  async announce(
    _process: string,
    _links: readonly Link[],
    _ttl: Millis,
    _signal: AbortSignal,
  ): Promise<void> {
    return toWrite('announce');
  }

  async present(_ids: readonly SessionId[], _signal: AbortSignal): Promise<Link[]> {
    return toWrite('present');
  }
}
