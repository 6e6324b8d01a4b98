import assert from 'node:assert/strict';
import type { Millis } from '@sessionkit/session-core';
import { type Application, type Customer, truthful } from './fault-application.js';
import { type FaultCase, type FaultKit, pause } from './fault-kit.js';

const CUSTOMERS = 40;
/** Those who come when it is back; what they save is not counted. */
const VISITORS = 5;
/** Saves that are acknowledged before the store is killed, at least. */
const ACKNOWLEDGED = { full: 1_000, less: 200 };
const SERVED_WITHIN: Millis = 60_000;
/** What is older than this has reached every replica. */
const REPLICATED: Millis = 2_000;

/** Visits that write all the time, until they are told to stop. */
class Load {
  readonly #application: Application;
  readonly #customers: readonly Customer[];
  readonly #workers: Promise<void>[];
  #stopped = false;
  readonly #last = new Map<Customer, Millis>();

  constructor(application: Application, customers: readonly Customer[]) {
    this.#application = application;
    this.#customers = customers;
    this.#workers = customers.map((customer) => this.#work(customer));
  }

  get acknowledged(): number {
    return this.#customers.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }

  /** Since when, by the steady clock, every one of them has had a save acknowledged: a server that was replaced held the sessions of some only. */
  get acknowledgedAt(): Millis {
    return Math.min(...this.#customers.map((customer) => this.#last.get(customer) ?? 0));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#workers);
  }

  async #work(customer: Customer): Promise<void> {
    while (!this.#stopped) {
      const { status } = await this.#application.add(customer);
      if (status === 200) this.#last.set(customer, performance.now());
      else await pause(5);
    }
  }
}

export function leastAcknowledged({ settings }: Pick<FaultKit, 'settings'>): number {
  return settings.full ? ACKNOWLEDGED.full : ACKNOWLEDGED.less;
}

/** How many of the acknowledged saves of these customers are there. None may count twice. */
async function found(application: Application, customers: readonly Customer[]): Promise<number> {
  let sum = 0;
  for (const customer of customers) {
    const answer = await application.visit(customer.token);
    truthful(answer, customer);
    assert.equal(answer.status, 200, 'a session was not served after the store was back');
    assert.ok(answer.count <= customer.begun, 'a change counts twice');
    sum += Math.min(answer.count, customer.acknowledged);
  }
  return sum;
}

async function loadedUntil(
  kit: FaultKit,
  application: Application,
  customers: readonly Customer[],
): Promise<Load> {
  const load = new Load(application, customers);
  const least = leastAcknowledged(kit);
  await kit.until(`${least} acknowledged saves`, () => load.acknowledged >= least, SERVED_WITHIN);
  return load;
}

async function failsOver(kit: FaultKit, durable: boolean): Promise<void> {
  const { store, measures } = kit;
  assert.ok(store.failOver !== undefined);
  const application = await kit.start({ durable });
  const customers = await application.customers(CUSTOMERS);
  const others = await application.customers(VISITORS);
  await pause(REPLICATED);
  const load = await loadedUntil(kit, application, customers);
  const killed = performance.now();
  await store.failOver();
  await kit.until('service by a replica', () => load.acknowledgedAt > killed + REPLICATED, SERVED_WITHIN);
  await load.stop();
  await kit.recovers(application, others);
  const acknowledged = load.acknowledged;
  const there = await found(application, customers);
  const how = durable ? 'with durable: true' : 'without durable';
  measures.notes.push(
    `fail-over ${how}: saves acknowledged ${acknowledged}, found after it ${there}, lost ${acknowledged - there}`,
  );
  if (durable) assert.equal(there, acknowledged, 'saves that were acknowledged are lost');
}

export const killCases: readonly FaultCase[] = [
  {
    name: 'killed under load and started again: every acknowledged save is there',
    applies: ({ forgets }) => forgets !== true,
    async run(kit) {
      const { store, measures } = kit;
      const application = await kit.start();
      const customers = await application.customers(CUSTOMERS);
      const others = await application.customers(VISITORS);
      const load = await loadedUntil(kit, application, customers);
      await store.kill();
      // Visits go on against a store that is not there.
      await pause(100);
      await load.stop();
      await store.restart();
      await kit.recovers(application, others);
      const acknowledged = load.acknowledged;
      measures.acknowledged += acknowledged;
      const there = await found(application, customers);
      measures.found += there;
      assert.equal(there, acknowledged, 'saves that were acknowledged are lost');
    },
  },
  {
    name: 'a fail-over under load with durable: true: every acknowledged save is there',
    applies: (_, { failOver }) => failOver !== undefined,
    ownStore: true,
    run: (kit) => failsOver(kit, true),
  },
  {
    name: 'a fail-over under load: what a replica had not yet is lost and counted, and nothing else',
    applies: (_, { failOver }) => failOver !== undefined,
    ownStore: true,
    run: (kit) => failsOver(kit, false),
  },
];
