import assert from 'node:assert/strict';
import { type Abilities, type Millis, SessionError } from '@sessionkit/session-core';
import { type Answer, Application, type Customer } from './fault-application.js';
import { FaultProxy } from './proxy.js';
import type { ConnectOptions, RunningStore, StoreHarness } from './store-harness.js';

/** Within how many ms of the store being back visits must succeed. */
export const RECOVERED_WITHIN: Millis = 1_000;
/** By how many ms an answer may be later than the deadline. */
export const LATE_BY: Millis = 250;
const TICK: Millis = 20;
/** So many visits in a row that all succeed: it has recovered. */
const STREAK = 25;
const SETTLED_WITHIN: Millis = 5_000;
/** A verb whose connection was cut, or cannot be made, says so long before anybody's deadline. */
const FAILS_WITHIN: Millis = 5_000;

/** One fault, and what must be true of a store that has it. */
export interface FaultCase {
  readonly name: string;
  /** The case is for backends with this ability. Left out: for every one. */
  readonly ability?: keyof Abilities | undefined;
  /** The case is for such harnesses only. Left out: for every one. */
  readonly applies?: ((harness: StoreHarness, store: RunningStore) => boolean) | undefined;
  /** It has a store of its own, which it may leave in any state. */
  readonly ownStore?: boolean | undefined;
  run(kit: FaultKit): Promise<void>;
}

export interface FaultMeasures {
  /** Slowest answer of a request that was under way when the store fell silent, in ms. */
  slowest: Millis;
  /** Longest time from the store being back to visits that all succeed, in ms. */
  recovered: Millis;
  /** Saves that were acknowledged before the store was killed, and those of them found after it was started again. */
  acknowledged: number;
  found: number;
  /** Connections as the servers counted them: before the cases and after them, all together; and the most at the end of one, before it gave them back. */
  readonly connections: { before: number; most: number; after: number };
  /** What else is to be told. */
  readonly notes: string[];
}

export interface FaultSettings {
  /** Deadline of the store for core, in ms. */
  readonly deadline: Millis;
  /** Full counts, and bounds of time as they are promised; else less, and ten times the bounds. */
  readonly full: boolean;
}

/** What a case works with: the store, proxies before its addresses, and applications that use it through them. */
export class FaultKit {
  readonly store: RunningStore;
  readonly settings: FaultSettings;
  readonly measures: FaultMeasures;
  readonly #proxies: readonly FaultProxy[];
  readonly #applications: Promise<Application>[] = [];

  private constructor(
    store: RunningStore,
    proxies: readonly FaultProxy[],
    settings: FaultSettings,
    measures: FaultMeasures,
  ) {
    this.store = store;
    this.#proxies = proxies;
    this.settings = settings;
    this.measures = measures;
  }

  static async open(
    store: RunningStore,
    settings: FaultSettings,
    measures: FaultMeasures,
  ): Promise<FaultKit> {
    const proxies = await Promise.all(store.addresses.map((address) => FaultProxy.open(address)));
    return new FaultKit(store, proxies, settings, measures);
  }

  get deadline(): Millis {
    return this.settings.deadline;
  }

  /** An application whose every connection goes through the proxies. */
  start(options: Omit<ConnectOptions, 'via'> = {}): Promise<Application> {
    const via = this.#proxies.map(({ address }) => address);
    const application = Application.start(this.store, this.deadline, { ...options, via });
    this.#applications.push(application);
    return application;
  }

  /** Whether the store is not to be reached. */
  get refusing(): boolean {
    return this.#proxies.every(({ mode }) => mode === 'refuse');
  }

  get silent(): boolean {
    return this.#proxies.every(({ mode }) => mode === 'swallow');
  }

  async refuse(): Promise<void> {
    await Promise.all(this.#proxies.map((proxy) => proxy.refuse()));
  }

  swallow(): void {
    for (const proxy of this.#proxies) proxy.swallow();
  }

  delay(ms: Millis): void {
    for (const proxy of this.#proxies) proxy.delay(ms);
  }

  async pass(options?: { readonly lost: boolean }): Promise<void> {
    await Promise.all(this.#proxies.map((proxy) => proxy.pass(options)));
  }

  /** See {@link FaultProxy.cutAnswer}; whichever address it is sent to. */
  cutAnswer(text: string, bytes: number): () => boolean {
    const traps = this.#proxies.map((proxy) => proxy.cutAnswer(text, bytes));
    return () => traps.some((sprung) => sprung());
  }

  /** See {@link FaultProxy.holdAnswer}. */
  holdAnswer(text: string): () => boolean {
    const traps = this.#proxies.map((proxy) => proxy.holdAnswer(text));
    return () => traps.some((sprung) => sprung());
  }

  /** Resolves when a request has been sent that the silent proxies hold back. */
  sent(): Promise<void> {
    return this.until('a request to the silent store', () => this.#proxies.some(({ held }) => held > 0));
  }

  /** Waits for what must come about, at most for the deadline and what is allowed beyond it. */
  async until(what: string, come: () => boolean, within: Millis = this.deadline + SETTLED_WITHIN) {
    const limit = performance.now() + within;
    while (!come()) {
      assert.ok(performance.now() < limit, `${what} did not come about within ${within} ms`);
      await pause(2);
    }
  }

  /** Asserts that an answer came in time: the deadline and a little, or ten times the little unless in full. */
  inTime(answer: Answer): void {
    const most = this.deadline + LATE_BY * (this.settings.full ? 1 : 10);
    assert.ok(answer.ms <= most, `an answer took ${Math.round(answer.ms)} ms; at most ${most} were allowed`);
  }

  /**
   * Visits come all the time and do not wait for each other, for `ms` in which the store is away; then it is back. Those that were under way at that moment are
   * answered in time as well.
   */
  async comesBack(
    application: Application,
    customers: readonly Customer[],
    ms: Millis,
    how?: { readonly lost: boolean },
  ): Promise<void> {
    const answers: Promise<Answer>[] = [];
    const until = performance.now() + ms;
    while (performance.now() < until) {
      const answer = application.look(customers[answers.length % customers.length] as Customer);
      answer.catch(() => undefined);
      answers.push(answer);
      await pause(TICK);
    }
    await this.pass(how);
    await this.recovers(application, customers);
    for (const answer of answers) this.inTime(await answer);
  }

  /**
   * To be called when the store is back: ordinary visits, one after the other without waiting for each other, until they all succeed. Asserts that this is so
   * soon; that nobody is told anything wrong meanwhile; and that the process has said the outage once.
   */
  async recovers(application: Application, customers: readonly Customer[]): Promise<void> {
    const limit = RECOVERED_WITHIN * (this.settings.full ? 1 : 10);
    const back = performance.now();
    const visits: { readonly at: Millis; done: boolean; good: boolean; readonly answer: Promise<Answer> }[] =
      [];
    const succeeded = () => visits.length >= STREAK && visits.slice(-STREAK).every(({ good }) => good);
    let first: Millis | undefined;
    while (!succeeded()) {
      const at = performance.now() - back;
      assert.ok(at < limit + this.deadline + SETTLED_WITHIN, 'visits do not succeed again');
      const customer = customers[visits.length % customers.length] as Customer;
      const answer = visits.length % 2 === 0 ? application.look(customer) : application.add(customer);
      const visit = { at, done: false, good: false, answer };
      visits.push(visit);
      answer.then(
        ({ status }) => {
          visit.done = true;
          visit.good = status === 200;
          if (visit.good) first ??= performance.now() - back;
        },
        () => undefined,
      );
      await pause(TICK);
      const refuted = visits.filter(({ done, good }) => done && !good);
      if (refuted.length === visits.length && at > limit + this.deadline) break;
    }
    for (const { answer } of visits) this.inTime(await answer);
    const failed = visits.filter(({ good }) => !good).map(({ at }) => at + TICK);
    const took = Math.max(first ?? Number.POSITIVE_INFINITY, ...failed);
    this.measures.recovered = Math.max(this.measures.recovered, took);
    assert.ok(
      took <= limit,
      `visits succeeded ${Math.round(took)} ms after the store was back; at most ${limit}`,
    );
    saidOnce(application);
  }

  /** Closes the applications, with the store in reach. */
  async leave(): Promise<void> {
    await this.pass();
    const applications = await Promise.allSettled(this.#applications);
    for (const each of applications) if (each.status === 'fulfilled') await each.value.close();
  }

  async close(): Promise<void> {
    await Promise.all(this.#proxies.map((proxy) => proxy.close()));
  }
}

/** The log has each outage once, whatever the number of requests in it. */
function saidOnce({ entries }: Application): void {
  const said = new Set<string>();
  for (const { level, message } of entries) {
    if (message.endsWith('answers again')) said.clear();
    if (level !== 'warning' && level !== 'error') continue;
    assert.ok(!said.has(message), `the log has this more than once for one outage: ${message}`);
    said.add(message);
  }
}

/** Asserts that a verb fails as one of a store that is not there does. */
export async function fails(doing: Promise<unknown>): Promise<void> {
  const answered = doing.then(
    (answer) => ({ answer: JSON.stringify(answer) }),
    (fault: unknown) => ({ fault }),
  );
  const outcome = await Promise.race([answered, pause(FAILS_WITHIN)]);
  assert.ok(outcome !== undefined, `no answer within ${FAILS_WITHIN} ms where the store was not there`);
  assert.ok('fault' in outcome, `answered ${JSON.stringify(outcome)} where the store was not there`);
  const { fault } = outcome;
  assert.ok(fault instanceof SessionError, `the fault is no SessionError: ${fault}`);
  assert.match(fault.code, /^BACKEND_(DOWN|FAILED)$/);
  assert.equal(fault.retryable, true, `${fault.code} (${fault.message}) is not retryable`);
}

export function pause(ms: Millis): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
