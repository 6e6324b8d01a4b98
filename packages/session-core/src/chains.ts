import type { Environment, Millis } from './environment.js';
import { SessionError } from './errors.js';
import type { Filter, FilterSession, FilterTarget } from './filter.js';
import type { SessionId } from './id.js';
import type { SessionRecord } from './record.js';
import type { Exchange } from './router.js';
import { Tally } from './tally.js';

/** Where the chains of a service come from at a time. */
export interface ChainOptions {
  /** Name of the service. */
  readonly service: string;
  /** Names of the filters of a session that has none of its own, in order. */
  readonly defaults: readonly string[];
  /** All filters by name. */
  readonly filters: ReadonlyMap<string, Filter>;
  readonly environment: Environment;
}

/** A filter at work, and the filter itself. */
interface Part {
  readonly filter: Filter;
  readonly session: FilterSession;
}

type Chain = readonly Part[];

interface Next {
  key: string;
  readonly chain: Promise<Chain>;
  /** Once it is. */
  opened: Chain | undefined;
}

/** What this process has open for one session. */
interface Held {
  /** What the open chain is for: {@link keyOf}; undefined while there is none. */
  key: string | undefined;
  chain: Chain;
  /** Requests that run through it now. */
  visits: number;
  /** The chain to come, opened at once and swapped in when no request runs. */
  next: Next | undefined;
  /** From when on nobody will come any more. */
  until: Millis;
}

const NONE: Chain = [];
/** Key of a chain that no session asks for. */
const STALE = '';
/** Why a chain that is open is not in use yet. */
const UNDER_WAY = 'requests under way still go through the filters that it had before';

/**
 * The filter sessions of one service in this process. A chain is opened with the first request of a session, and again whenever its filters, its
 * epoch or its last restart are others: the requests under way go on through the old chain, and when none is left the new one takes its
 * place. Every filter session is closed exactly once.
 */
export class Chains {
  #options: ChainOptions;
  readonly #held = new Map<SessionId, Held>();
  /** Why the chain that an operator asked for is not open: shown as `pending`. */
  readonly #failed = new Map<SessionId, { readonly key: string; readonly reason: string }>();
  #closed = false;

  constructor(options: ChainOptions) {
    this.#options = options;
  }

  /**
   * From now on sessions have these filters. What is open of others is closed once no request runs through it; a chain of filters that have stayed stays, with what it knows of its
   * session.
   */
  become(defaults: readonly string[], filters: ReadonlyMap<string, Filter>): void {
    const present = new Set(filters.values());
    this.#options = { ...this.#options, defaults, filters };
    for (const [id, held] of this.#held) {
      if (held.next !== undefined) held.next.key = STALE;
      if (held.chain.every(({ filter }) => present.has(filter))) continue;
      held.key = STALE;
      this.over(id);
    }
  }

  /** No session needs anything here any more, but for the requests under way. */
  release(): void {
    for (const id of [...this.#held.keys()]) this.over(id);
  }

  has(id: SessionId): boolean {
    return this.#held.has(id);
  }

  /** Whether requests of the session have to go through a chain at all. */
  concerns(record: Pick<SessionRecord, 'id' | 'filters'>): boolean {
    return (record.filters ?? this.#options.defaults).length > 0 || this.#held.has(record.id);
  }

  /** Sessions that do not have the chain here that their record asks for. */
  get failing(): Iterable<SessionId> {
    return this.#failed.keys();
  }

  /** Why the session does not have the chain here that its record asks for; undefined when it has. */
  pending(id: SessionId): string | undefined {
    const failed = this.#failed.get(id);
    if (failed !== undefined) return failed.reason;
    const held = this.#held.get(id);
    return held?.next !== undefined && held.visits > 0 ? UNDER_WAY : undefined;
  }

  /**
   * Runs one exchange through the chain of its session, and then `end`.
   * @throws SessionError `MODULE_MISSING` when the record names a filter that is not there, `BACKEND_CLOSED` when it is closed before the chain is open; what opening the
   * first chain threw; what filters throw.
   */
  async handle(
    record: SessionRecord,
    restartedAt: Millis | undefined,
    exchange: Exchange,
    end: () => Promise<void>,
  ): Promise<void> {
    const held = await this.#enter(record, restartedAt);
    try {
      await run(held.chain, exchange, end);
    } finally {
      held.visits -= 1;
      this.#settle(record.id, held);
    }
  }

  /** What is known of a session now: opens what it asks for, so that the next request finds it. */
  refresh(record: SessionRecord, restartedAt: Millis | undefined): void {
    const held = this.#held.get(record.id);
    if (held === undefined) return;
    if (record.ended !== undefined) {
      this.over(record.id);
      return;
    }
    this.#prepare(held, record, restartedAt);
  }

  /** The session is over here: what is open is closed once no request runs through it. */
  over(id: SessionId): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    held.until = 0;
    this.#settle(id, held);
  }

  /** Closes what nobody has used for as long as its session may go unused. */
  sweep(): void {
    const now = this.#options.environment.now();
    for (const [id, held] of this.#held) if (held.until <= now) this.#settle(id, held);
  }

  /** Closes everything, whatever runs, and opens nothing any more. */
  async close(): Promise<void> {
    this.#closed = true;
    const all = [...this.#held.entries()];
    this.#held.clear();
    for (const [id, held] of all) {
      const next = await held.next?.chain.catch(() => NONE);
      await this.#closeChain(id, [...held.chain, ...(next ?? NONE)]);
    }
  }

  async #enter(record: SessionRecord, restartedAt: Millis | undefined): Promise<Held> {
    for (;;) {
      if (this.#closed) throw new SessionError('BACKEND_CLOSED', 'the session manager is closed');
      const held = this.#hold(record);
      const missing = this.#prepare(held, record, restartedAt);
      if (missing !== undefined) throw missing;
      const { next } = held;
      // While requests run through the old chain, so does this one.
      if (next === undefined || held.visits > 0) {
        held.visits += 1;
        return held;
      }
      try {
        await next.chain;
      } catch (error) {
        if (held.key === undefined) throw error;
        // Meanwhile the session was over here, and the old chain is closed.
        if (this.#held.get(record.id) !== held) continue;
        held.visits += 1;
        return held;
      }
      this.#swap(record.id, held, next);
    }
  }

  #hold({ id, idle }: SessionRecord): Held {
    let held = this.#held.get(id);
    if (held === undefined) {
      held = { key: undefined, chain: NONE, visits: 0, next: undefined, until: 0 };
      this.#held.set(id, held);
    }
    held.until = this.#options.environment.now() + idle;
    return held;
  }

  /** Begins to open the chain that the record asks for, unless it is open or another one is being opened. Answers why it can't. */
  #prepare(held: Held, record: SessionRecord, restartedAt: Millis | undefined): SessionError | undefined {
    const names = record.filters ?? this.#options.defaults;
    const key = keyOf(record, names, restartedAt);
    // The operator has gone back to what is open.
    if (held.key === key) this.#failed.delete(record.id);
    if (held.key === key) return undefined;
    const missing = names.find((name) => !this.#options.filters.has(name));
    if (missing !== undefined) {
      const fault = noFilter(missing);
      this.#fail(record.id, held, key, fault);
      return fault;
    }
    if (held.next !== undefined) return undefined;
    const chain = this.#open(record, names);
    const next: Next = { key, chain, opened: undefined };
    held.next = next;
    chain.then(
      (opened) => {
        next.opened = opened;
        this.#settle(record.id, held);
      },
      (error: unknown) => {
        held.next = undefined;
        this.#fail(record.id, held, key, error);
        this.#settle(record.id, held);
      },
    );
    return undefined;
  }

  /** Said once, and not with every request that tries again. */
  #fail(id: SessionId, held: Held, key: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (this.#failed.get(id)?.key !== key)
      this.#complain(id, `its filters could not be opened: ${reason}`, error);
    if (this.#held.get(id) === held) this.#failed.set(id, { key, reason });
  }

  async #open(record: SessionRecord, names: readonly string[]): Promise<Chain> {
    const target = targetOf(record, this.#options.environment);
    const opened: Part[] = [];
    const { filters } = this.#options;
    try {
      for (const name of names) {
        const filter = filters.get(name);
        if (filter === undefined) throw noFilter(name);
        const uses = usesOf(filter);
        uses.begin();
        try {
          opened.push({ filter, session: await filter.open(target) });
        } catch (error) {
          uses.end();
          throw error;
        }
      }
    } catch (error) {
      await this.#closeChain(record.id, opened);
      throw error;
    }
    return opened;
  }

  /** After a request, or when a chain has opened: swaps what is to be swapped, closes what is over. */
  #settle(id: SessionId, held: Held): void {
    if (held.visits > 0 || this.#held.get(id) !== held) return;
    const { next } = held;
    if (held.until > this.#options.environment.now()) {
      if (next?.opened !== undefined) this.#swap(id, held, next);
      return;
    }
    this.#held.delete(id);
    this.#failed.delete(id);
    void this.#closeChain(id, held.chain);
    next?.chain.then(
      (chain) => this.#closeChain(id, chain),
      () => undefined,
    );
  }

  /** Puts an opened chain in the place of the old one, unless a request runs through that, or somebody has done so. */
  #swap(id: SessionId, held: Held, next: Next): void {
    if (held.next !== next || held.visits > 0 || this.#held.get(id) !== held) return;
    const old = held.chain;
    held.chain = next.opened ?? NONE;
    held.key = next.key;
    held.next = undefined;
    this.#failed.delete(id);
    void this.#closeChain(id, old);
  }

  async #closeChain(id: SessionId, chain: Chain): Promise<void> {
    for (const { filter, session } of chain) {
      try {
        await session.close();
      } catch (error) {
        this.#complain(id, 'a filter could not be closed', error);
      }
      usesOf(filter).end();
    }
  }

  #complain(session: SessionId, message: string, error: unknown): void {
    const { environment, service } = this.#options;
    environment.log({ level: 'warning', message, service, session, error });
  }
}

const uses = new WeakMap<Filter, Tally>();

/** The filter sessions that are open of a filter, whoever has opened them. */
export function usesOf(filter: Filter): Tally {
  let tally = uses.get(filter);
  if (tally === undefined) {
    tally = new Tally();
    uses.set(filter, tally);
  }
  return tally;
}

/** The same key, the same chain: a login, a restart and another list of filters open a new one. */
function keyOf(record: SessionRecord, names: readonly string[], restartedAt: Millis | undefined): string {
  return `${record.epoch} ${restartedAt ?? 0} ${names.join('\n')}`;
}

function targetOf(record: SessionRecord, environment: Environment): FilterTarget {
  const { id, service, user, client } = record;
  return {
    id,
    service,
    user,
    client,
    log: (level, message) => environment.log({ level, message, service, session: id }),
  };
}

function noFilter(name: string): SessionError {
  return new SessionError('MODULE_MISSING', `the session has a filter "${name}", which is not configured`);
}

/** Each filter once, then the end of the chain. A filter that calls `next` twice passes the request on once. */
function run(chain: Chain, exchange: Exchange, end: () => Promise<void>): Promise<void> {
  const step = (at: number): Promise<void> => {
    const part = chain[at];
    if (part === undefined) return end();
    let passed: Promise<void> | undefined;
    return part.session.handle(exchange, () => {
      passed ??= step(at + 1);
      return passed;
    });
  };
  return step(0);
}
