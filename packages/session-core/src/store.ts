import { Activity } from './activity.js';
import { type Backend, type Claim, can, type Ending, type Touch } from './backend.js';
import { Backlog } from './backlog.js';
import { type About, Complaints } from './complaints.js';
import { Deadlines } from './deadlines.js';
import type { Environment, Millis } from './environment.js';
import { SessionError, toSessionError } from './errors.js';
import { events } from './events.js';
import { Holdings } from './holdings.js';
import type { SessionId } from './id.js';
import { Lanes } from './lanes.js';
import { Links } from './links.js';
import { Listeners } from './listeners.js';
import type { EndCause, FaultCode } from './lists.js';
import { Loads } from './loads.js';
import { causeOfDeath, deadFrom, type Head, type SessionRecord, WRITES_KEPT } from './record.js';
import { StoreClock } from './store-clock.js';
import { Tally } from './tally.js';

export interface StoreOptions {
  /** How long a call of the backend may take, in ms. */
  readonly deadline: Millis;
  /** How often touches are written, in ms. */
  readonly flushInterval: Millis;
  /** How long an ended session stays readable, in ms, as its service says. */
  keepEnded(record: SessionRecord): Millis;
}

const CLOCK_INTERVAL = 60_000;
/** How long an ended session stays readable where no service says otherwise. */
export const KEEP_ENDED: Millis = 3_600_000;
const HEARTBEAT = 5_000;
/** An end that an operator has set is seen within a second of it: the time of a look, and that of asking the store. */
const LINK_CHECK = 500;
const ANNOUNCE_INTERVAL = 1_000;
const SWEEP_INTERVAL = 60_000;
const SWEEP_LATE = 300_000;
const SWEEP_CHUNK = 500;

/** A backend with core's policy around it: deadlines, batches, combined commits, touches, the corrected clock, held sessions. */
export class Store {
  readonly backend: Backend;
  readonly environment: Environment;
  readonly flushInterval: Millis;
  readonly links = new Links();
  readonly listeners = new Listeners();
  /** Visits of any service that use it. */
  readonly visits = new Tally();
  readonly lanes: Lanes;
  readonly activity: Activity;
  readonly holdings: Holdings;
  #deadlines: Deadlines;
  #deadline: Millis;
  readonly #options: StoreOptions;
  readonly #writer: string;
  readonly #clock = new StoreClock(this);
  readonly #backlog = new Backlog(this);
  readonly #loads = new Loads(this);
  readonly #complaints: Complaints;
  readonly #stops: (() => void)[] = [];
  #writeCount = 0;
  #unwatch: Promise<(() => Promise<void>) | undefined>;
  #closing: Promise<void> | undefined;
  #closed = false;

  constructor(backend: Backend, environment: Environment, options: StoreOptions) {
    this.backend = backend;
    this.environment = environment;
    this.#complaints = new Complaints(backend.type, environment.log);
    this.#options = options;
    this.#deadline = options.deadline;
    this.flushInterval = options.flushInterval;
    this.#deadlines = new Deadlines(options.deadline);
    this.#writer = Buffer.from(environment.random(9)).toString('base64url');
    this.lanes = new Lanes(this);
    this.activity = new Activity(this);
    this.holdings = new Holdings(this, this.#writer, this.listeners.beside(this.links));
    this.starting?.catch(() => undefined);
    this.#unwatch = this.#watch();
    const every = (interval: Millis, task: () => unknown) =>
      this.#stops.push(environment.every(interval, () => void task()));
    every(options.flushInterval, () => this.flush());
    every(ANNOUNCE_INTERVAL, () => this.holdings.announce());
    every(CLOCK_INTERVAL, () => this.#clock.read().catch(() => undefined));
    every(HEARTBEAT, () => this.#heartbeat());
    every(LINK_CHECK, () => this.#checkLinks());
    if (can(backend, 'sweep')) every(SWEEP_INTERVAL, () => this.sweep());
  }

  /** Process time corrected by the clock of the store. */
  now(): Millis {
    return this.#clock.now();
  }

  /** Clock of the store minus clock of the process; undefined when the store has none or was not asked yet. */
  get clockOffset(): Millis | undefined {
    return this.#clock.offset;
  }

  /** Undefined once the clock of the store is known; before the first judgement wait for it. Rejects as the store does. */
  get starting(): Promise<void> | undefined {
    return this.#clock.starting;
  }

  get deadline(): Millis {
    return this.#deadline;
  }

  /** Calls under way keep the one they began with. */
  set deadline(deadline: Millis) {
    if (deadline === this.#deadline) return;
    this.#deadline = deadline;
    this.#deadlines = new Deadlines(deadline);
  }

  writeId(): string {
    this.#writeCount += 1;
    return `${this.#writer}.${this.#writeCount.toString(36)}`;
  }

  /** Runs a verb of the backend within the deadline and keeps the log of outages. */
  call<T>(what: string, verb: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(closed());
    const begun = events.storeCall.hasSubscribers ? performance.now() : 0;
    return this.#deadlines.run(`${this.backend.type}: ${what}`, verb).then(
      (value) => {
        if (begun > 0) this.#publish(what, begun, undefined);
        this.#complaints.answered();
        return value;
      },
      (error: SessionError) => {
        if (begun > 0) this.#publish(what, begun, error.code);
        if (error.code === 'BACKEND_DOWN') this.#complaints.failed(error);
        throw error;
      },
    );
  }

  /** Loads a record, in one call with all others that are asked for in this turn of the event loop. */
  load(id: SessionId): Promise<SessionRecord | undefined> {
    return this.#loads.load(id);
  }

  /**
   * Stores a record. A save of unknown outcome is repeated once with its write id, except the first of an id: that one is given up, and the id is ended
   * until the store has answered.
   */
  save(record: SessionRecord): Promise<boolean> {
    if (record.version === 1) {
      return this.call('save', (signal) => this.backend.save(record, signal)).catch((error: SessionError) => {
        if (error.code === 'BACKEND_DOWN' || error.code === 'BACKEND_FAILED')
          this.endSurely([record.id], 'killed');
        throw error;
      });
    }
    return this.call('save', async (signal) => {
      try {
        return await this.backend.save(record, signal);
      } catch (error) {
        const fault = toSessionError(error, 'save failed');
        if (!fault.retryable || signal.aborted) throw fault;
      }
      if (await this.backend.save(record, signal)) return true;
      return this.#wasLost(record, signal);
    });
  }

  /** A repeated save answered false: either the first one never arrived, or so much was written since that nobody can tell. */
  async #wasLost(record: SessionRecord, signal: AbortSignal): Promise<false> {
    const [stored] = await this.backend.load([record.id], signal);
    if (stored instanceof SessionError) throw stored;
    if (stored !== undefined && stored.version - record.version >= WRITES_KEPT) {
      throw new SessionError('BACKEND_FAILED', 'the outcome of a save is unknown', { retryable: true });
    }
    return false;
  }

  /** Ends sessions and tells who holds them here. Answers those that this call ended. */
  async end(
    ids: readonly SessionId[],
    cause: EndCause,
    by: string | undefined,
    keepEnded: Millis,
  ): Promise<readonly SessionId[]> {
    const at = this.now();
    const how: Ending = { at, cause, by, keepUntil: at + keepEnded };
    const ended = await this.call('end', (signal) => this.backend.end(ids, how, signal));
    if (events.ended.hasSubscribers) for (const id of ended) events.ended.publish({ id, cause, by });
    for (const id of ids) {
      this.#backlog.forget(id);
      this.links.ended(id, cause);
      this.listeners.ended(id);
    }
    return ended;
  }

  /** Takes a place among the user's sessions; only for stores with user slots, which the settings have checked. */
  claim(claim: Claim): Promise<readonly SessionId[]> {
    const { backend } = this;
    if (!can(backend, 'slots')) return Promise.resolve([]);
    return this.call('claim', (signal) => backend.claim(claim, signal));
  }

  /** Ends sessions with the next flush, and again until the store has answered; with `until`, until it has ended them or that instant. */
  endSurely(
    ids: readonly SessionId[],
    cause: EndCause,
    by?: string,
    keepEnded: Millis = 0,
    until?: Millis,
  ): void {
    this.#backlog.endSurely(ids, { cause, by, keepEnded, until });
  }

  touch(id: SessionId, epoch: number, seenAt: Millis): void {
    this.#backlog.touch(id, epoch, seenAt);
  }

  /** `seenAt` as this process knows it, stored or not. */
  seenAt(record: Pick<SessionRecord, 'id' | 'seenAt'>): Millis {
    return Math.max(record.seenAt, this.#backlog.seenAt(record.id) ?? 0);
  }

  isAlive(record: Head, now: Millis): boolean {
    return this.causeOfDeath(record, now) === undefined;
  }

  /** As the record's own, but aware of touches that are not written yet. */
  causeOfDeath(record: Head, now: Millis): EndCause | undefined {
    const cause = causeOfDeath(record, now);
    if (cause !== 'idle') return cause;
    return causeOfDeath({ ...record, seenAt: this.seenAt(record) }, now);
  }

  /**
   * Found dead by time: ended once no other process can have a fresher touch to write, and only if the clock of the store, asked again, says so too.
   * Never rejects; whoever finds it next tries again.
   */
  async bury(record: SessionRecord): Promise<void> {
    if (this.now() - deadFrom(record) < 2 * this.flushInterval) return;
    try {
      await this.#clock.read();
      const cause = this.causeOfDeath(record, this.now());
      if (cause !== undefined) await this.end([record.id], cause, undefined, this.#options.keepEnded(record));
    } catch (error) {
      this.complain('ending a dead session failed', error);
    }
  }

  /** Writes what is collected. Never rejects: touches are not acknowledged, and what could not be written waits for the next time. */
  async flush(): Promise<void> {
    await Promise.all([this.#backlog.flush(), this.activity.flush()]);
  }

  /** Says what goes wrong here, each thing at most once a minute. */
  complain(message: string, error: unknown, about?: About): void {
    this.#complaints.complain(message, error, about);
  }

  /**
   * Asks the store whether the sessions held open here still live: by a touch that moves nothing, or, where it gives no notice of an operator's
   * changes, by loading them.
   */
  async #heartbeat(): Promise<void> {
    if (!can(this.backend, 'watch')) {
      for (const id of this.links.ids) void this.confirm(id);
      return;
    }
    const batch: Touch[] = [];
    for (const id of this.links.ids) {
      const record = this.links.record(id);
      if (record !== undefined) batch.push({ id, epoch: record.epoch, seenAt: record.seenAt });
    }
    await this.#backlog.write(batch, false);
  }

  #checkLinks(): void {
    const now = this.now();
    for (const id of this.links.ids) {
      const record = this.links.record(id);
      if (record !== undefined && !this.isAlive(record, now)) void this.confirm(id);
    }
  }

  /** Asks the store whether a session held here still lives, and tells its holders when not. Never rejects. */
  async confirm(id: SessionId): Promise<void> {
    try {
      const record = await this.load(id);
      const seen = record && { ...record, seenAt: this.seenAt(record) };
      const cause = this.links.confirm(id, seen, this.now());
      if (seen === undefined || !this.isAlive(seen, this.now())) this.listeners.ended(id);
      else this.listeners.changed(seen);
      if (seen !== undefined && cause !== undefined) void this.bury(seen);
    } catch {
      // Unknown is not ended. The next heartbeat asks again.
    }
  }

  #watch(): Promise<(() => Promise<void>) | undefined> {
    const { backend } = this;
    if (!can(backend, 'watch')) return Promise.resolve(undefined);
    return backend
      .watch((change) => {
        if (this.listeners.holds(change.id) || this.links.has(change.id)) void this.confirm(change.id);
        // Last: an application's watcher may throw.
        this.listeners.watchers.tell(change);
      })
      .catch((error: unknown) => {
        this.environment.log({
          level: 'warning',
          message: `${backend.type}: no notices of changes; the heartbeat tells within ${HEARTBEAT + 1000} ms`,
          error,
        });
        return undefined;
      });
  }

  askTime(): Promise<Millis | undefined> {
    return this.call('now', (signal) => this.backend.now(signal));
  }

  /** Why the store is unfit to serve; undefined when it is fit. Asks it. */
  async unfit(): Promise<string | undefined> {
    try {
      await this.askTime();
    } catch (error) {
      return toSessionError(error, 'the store failed').message;
    }
    return this.#clock.unfit;
  }

  /** Removes what has been dead for five minutes. */
  async sweep(): Promise<void> {
    const { backend } = this;
    if (!can(backend, 'sweep')) return;
    try {
      // What is removed can't be brought back, so the clock is asked again.
      await this.#clock.read();
      const before = this.now() - SWEEP_LATE;
      let removed: readonly SessionId[];
      do {
        removed = await this.call('sweep', (signal) => backend.sweep(before, SWEEP_CHUNK, signal));
        if (removed.length > 0 && events.swept.hasSubscribers)
          events.swept.publish({ store: backend.type, count: removed.length });
        for (const id of removed) if (this.links.has(id)) void this.confirm(id);
      } while (removed.length === SWEEP_CHUNK && !this.#closed);
    } catch (error) {
      if (!this.#closed) {
        this.environment.log({ level: 'warning', message: `${backend.type}: sweep failed`, error });
      }
    }
  }

  /** Nothing new begins here. Closed when the visits under way are over, and what they change is stored. */
  async retire(): Promise<void> {
    await this.visits.idle();
    await this.lanes.empty();
    await this.close();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.flush();
    await this.holdings.leave().catch((error) => this.complain('its holds could not be taken back', error));
    const unwatch = this.call('unwatch', async () => (await this.#unwatch)?.());
    this.#closed = true;
    try {
      await unwatch;
    } catch (error) {
      this.complain('its notices could not be stopped', error);
    } finally {
      await this.backend.close();
    }
  }

  #publish(verb: string, begun: number, fault: FaultCode | undefined): void {
    events.storeCall.publish({ store: this.backend.type, verb, duration: performance.now() - begun, fault });
  }
}

function closed(): SessionError {
  return new SessionError('BACKEND_CLOSED', 'the session manager is closed');
}
