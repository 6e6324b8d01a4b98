import assert from 'node:assert/strict';
import { type Answer, type Application, type Customer, unavailable } from './fault-application.js';
import type { FaultCase, FaultKit } from './fault-kit.js';

const IN_FLIGHT = 100;
/** How long the silence lasts for those that come later, in ms. */
const OUTAGE = 1_500;
const POOL = 2;
const POOLED_REQUESTS = 200;

/** Fills the pool of the client, where it has one. */
async function warm(application: Application, customers: readonly Customer[]): Promise<void> {
  await Promise.all(customers.map((customer) => application.add(customer)));
}

/** Visits that begin in turns of the event loop of their own, so that each has a call of the store, not one for all of them. */
async function apart(
  customers: readonly Customer[],
  visit: (customer: Customer, at: number) => Promise<Answer>,
): Promise<Promise<Answer>[]> {
  const answers: Promise<Answer>[] = [];
  for (const [at, customer] of customers.entries()) {
    answers.push(visit(customer, at));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return answers;
}

/**
 * The store falls silent with requests of every kind in flight: loads, saves of sessions of their own, and saves of one session that wait for each
 * other. They are refused in time; none of them counts later, but in a store that says of itself that a write may (`lateWrites`): there it counts once.
 */
async function fallsSilent(kit: FaultKit, lost: boolean): Promise<void> {
  const application = await kit.start();
  const customers = await application.customers(IN_FLIGHT);
  const [shared, ...others] = customers as [Customer, ...Customer[]];
  await warm(application, customers);
  let opened = 0;
  const writing = (customer: Customer) =>
    application.add(customer, async () => {
      opened += 1;
      await kit.until('the silence', () => kit.silent);
    });
  const third = Math.floor(IN_FLIGHT / 3);
  const writers = [...others.slice(0, third), ...Array.from({ length: third }, () => shared)];
  const written = writers.map(writing);
  await kit.until('the loads of those that write', () => opened === writers.length);
  kit.swallow();
  const fell = performance.now();
  const readers = others.slice(third, third + IN_FLIGHT - writers.length);
  const read = await apart(readers, (customer) => application.look(customer));
  const slow: Answer[] = await Promise.all([
    ...read,
    ...written.map(async (answer) => {
      const told = await answer;
      return { ...told, ms: performance.now() - fell };
    }),
  ]);
  for (const answer of slow) {
    unavailable(answer);
    kit.measures.slowest = Math.max(kit.measures.slowest, answer.ms);
    kit.inTime(answer);
  }
  // New ones come all the time, and find the store silent, then not.
  const rest = others.slice(third);
  await kit.comesBack(application, rest, OUTAGE, { lost });
  for (const customer of [shared, ...others.slice(0, third)]) {
    const { acknowledged } = customer;
    const { count } = await application.look(customer);
    // A store that cannot refuse what arrives late says so; `look` has seen that nothing counts twice.
    if (application.backend.traits.lateWrites && count > acknowledged) continue;
    assert.equal(count, acknowledged, 'a change that had been refused in the silence counted after all');
  }
}

export const silenceCases: readonly FaultCase[] = [
  {
    name: `silent with ${IN_FLIGHT} requests in flight: all are answered in time, and what was sent counts no more when it arrives late`,
    run: (kit) => fallsSilent(kit, false),
  },
  {
    name: `silent with ${IN_FLIGHT} requests in flight, and its old connections for ever: new ones are made`,
    run: (kit) => fallsSilent(kit, true),
  },
  {
    name: 'slow, but within the deadline: everything works',
    async run(kit) {
      const application = await kit.start();
      const customers = await application.customers(20);
      await warm(application, customers);
      const delay = kit.deadline / 5;
      kit.delay(delay);
      const answers = await Promise.all(
        customers.map((customer, at) => (at % 2 ? application.look(customer) : application.add(customer))),
      );
      for (const { status, ms } of answers) {
        assert.equal(status, 200, `a store that answers after ${delay} ms counts as down`);
        assert.ok(ms >= delay - 1, 'the store was not slow');
      }
      await kit.pass();
      await kit.recovers(application, customers);
    },
  },
  {
    name: 'slower than the deadline: 503 in time, and everything works when it is quick again',
    async run(kit) {
      const application = await kit.start();
      const customers = await application.customers(20);
      await warm(application, customers);
      kit.delay(kit.deadline * 2);
      const visits = await apart(customers, (customer, at) =>
        at % 2 ? application.look(customer) : application.add(customer),
      );
      for (const answer of await Promise.all(visits)) {
        unavailable(answer);
        kit.inTime(answer);
      }
      await kit.pass();
      await kit.recovers(application, customers);
    },
  },
  {
    name: `a pool of ${POOL} with a query that is held: ${POOLED_REQUESTS} other requests are answered by what is left`,
    applies: ({ pooled }) => pooled === true,
    async run(kit) {
      const application = await kit.start({ pool: POOL });
      const [held, ...others] = (await application.customers(POOLED_REQUESTS + 1)) as [
        Customer,
        ...Customer[],
      ];
      await warm(application, others.slice(0, POOL * 2));
      const isHeld = kit.holdAnswer(held.id);
      const stuck = application.look(held);
      await kit.until('the query that is held', isHeld);
      const answers = await Promise.all(others.map((customer) => application.add(customer)));
      for (const { status } of answers)
        assert.equal(status, 200, 'a request was refused for a query that is held');
      const last = await stuck;
      unavailable(last);
      kit.inTime(last);
      assert.ok(
        (await kit.store.connections()) <= POOL + 1,
        'more connections than the pool has, and one for notices',
      );
      await kit.pass({ lost: true });
      await kit.recovers(application, others);
      assert.equal((await application.look(held)).status, 200);
    },
  },
];
