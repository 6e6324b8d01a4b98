import assert from 'node:assert/strict';
import { type Backend, can, type SessionId } from '@sessionkit/session-core';
import { type Application, type Customer, unavailable } from './fault-application.js';
import { type FaultCase, type FaultKit, fails, pause } from './fault-kit.js';

/** How many requests find the store gone. */
const REQUESTS = 20;
/** How long an outage lasts, in ms: so long that whoever waits longer and longer between two tries waits long by now. */
const OUTAGE = { full: 3_000, less: 1_500 };
/** A connection that only listens may find out late that it was lost, and is made again. */
const HEARD_WITHIN = 5_000;
/** How long whoever opens a store that says nothing may be kept waiting, in deadlines. */
const PATIENCE = 3;
const SIGNAL: AbortSignal = new AbortController().signal;
const ACTOR = { name: 'fault suite' };

/** An application that has been used, some sessions, and one that only the case itself visits. */
async function prepared(kit: FaultKit) {
  const application = await kit.start();
  const [own, ...others] = (await application.customers(5)) as [Customer, ...Customer[]];
  for (const customer of [own, ...others]) await application.add(customer);
  return { application, own, others };
}

const lasting = ({ settings }: FaultKit) => (settings.full ? OUTAGE.full : OUTAGE.less);

/** The store goes down while a request of `doing` is on its way, and stays down for the next ones. */
async function goesDown<T>(kit: FaultKit, doing: () => Promise<T>): Promise<T> {
  const answer = doing();
  answer.catch(() => undefined);
  await kit.sent();
  await kit.refuse();
  return answer;
}

async function allUnavailable(kit: FaultKit, application: Application, customers: readonly Customer[]) {
  const visits = Array.from({ length: REQUESTS }, (_, at) => {
    const customer = customers[at % customers.length] as Customer;
    return at % 2 === 0 ? application.look(customer) : application.add(customer);
  });
  for (const answer of await Promise.all([...visits, application.visit(undefined)])) {
    unavailable(answer);
    kit.inTime(answer);
  }
}

/** A verb of a backend that is not there rejects, or says so in the place of each id. */
async function loadFails(backend: Backend, id: SessionId): Promise<void> {
  await fails(
    backend.load([id], SIGNAL).then(([place]) => {
      if (place instanceof Error) throw place;
      return place ?? 'nothing';
    }),
  );
}

/** The store is as it was when it went down: nothing that was refused arrives later. */
async function unchanged(application: Application, customer: Customer): Promise<void> {
  const { acknowledged } = customer;
  await pause(200);
  const { count } = await application.look(customer);
  assert.equal(count, acknowledged, 'a change arrived after its visit had been refused');
}

async function startsDown(kit: FaultKit, silent: boolean): Promise<void> {
  const before = await kit.start();
  const customers = await before.customers(5);
  await before.close();
  if (silent) kit.swallow();
  else await kit.refuse();
  const most = kit.deadline * PATIENCE;
  const application = await Promise.race([kit.start(), pause(most)]);
  assert.ok(application !== undefined, `it waited for the store, and had not started after ${most} ms`);
  await allUnavailable(kit, application, customers);
  await kit.comesBack(application, customers, lasting(kit));
}

export const outageCases: readonly FaultCase[] = [
  {
    name: 'down at the start: the application starts, answers 503, and serves when the store is there',
    run: (kit) => startsDown(kit, false),
  },
  {
    name: 'silent at the start: the application starts, answers 503 in time, and serves when the store speaks',
    run: (kit) => startsDown(kit, true),
  },
  {
    name: 'down during a load: 503, and nobody loses the session',
    async run(kit) {
      const { application, own, others } = await prepared(kit);
      kit.swallow();
      const look = await goesDown(kit, () => application.look(own));
      unavailable(look);
      kit.inTime(look);
      await loadFails(application.backend, own.id);
      await allUnavailable(kit, application, others);
      await kit.comesBack(application, others, lasting(kit));
      assert.equal((await application.look(own)).status, 200);
    },
  },
  {
    name: 'down during a save: 503, and what was refused never arrives later',
    async run(kit) {
      const { application, own, others } = await prepared(kit);
      const [refused = own, ...rest] = others;
      const record = await loaded(application.backend, own.id);
      const [first, second] = await goesDown(kit, () =>
        Promise.all([
          application.add(own, () => kit.swallow()),
          // Its load is answered, and its save finds nobody.
          application.add(refused, () => kit.until('the end of the store', () => kit.refusing)),
        ]),
      );
      for (const answer of [first, second]) {
        unavailable(answer);
        kit.inTime(answer);
      }
      await fails(application.backend.save({ ...record, version: record.version + 1 }, SIGNAL));
      await allUnavailable(kit, application, rest);
      await kit.pass();
      await kit.recovers(application, rest);
      await unchanged(application, own);
      await unchanged(application, refused);
    },
  },
  {
    name: 'down during a touch: the use of sessions is written when the store is back',
    async run(kit) {
      const { application, own, others } = await prepared(kit);
      await application.manager.flush();
      await pause(20);
      const seen = await loaded(application.backend, own.id);
      await application.look(own);
      kit.swallow();
      await goesDown(kit, () => application.manager.flush());
      const { id, epoch, seenAt } = seen;
      await fails(application.backend.touch([{ id, epoch, seenAt }], SIGNAL));
      await allUnavailable(kit, application, others);
      await kit.pass();
      await kit.recovers(application, others);
      await application.manager.flush();
      const after = await loaded(application.backend, own.id);
      assert.ok(after.seenAt > seen.seenAt, 'a use that was noted in the outage was forgotten');
    },
  },
  {
    name: 'down during an end: it fails, and the session lives until it is ended',
    async run(kit) {
      const { application, own, others } = await prepared(kit);
      const [leaving = own, ...rest] = others;
      kit.swallow();
      await fails(goesDown(kit, () => application.backend.end([own.id], ending(), SIGNAL)));
      await fails(application.backend.end([own.id], ending(), SIGNAL));
      await fails(application.manager.end(own.id, ACTOR));
      await allUnavailable(kit, application, rest);
      await kit.pass();
      await kit.recovers(application, rest);
      await unchanged(application, own);
      const logout = await application.visit(leaving.token, async (session) => {
        await kit.refuse();
        await session.logout();
      });
      unavailable(logout);
      await kit.pass();
      await kit.recovers(application, rest);
      await unchanged(application, leaving);
      assert.equal(await application.manager.end(own.id, ACTOR), true);
      assert.equal((await application.visit(own.token)).code, 'session_ended');
    },
  },
  {
    name: 'down during a list: it fails, and is never empty or short',
    ability: 'inspect',
    async run(kit) {
      const { application, own, others } = await prepared(kit);
      const { backend, manager } = application;
      const query = { service: 'faults', limit: 1_000 };
      assert.ok(can(backend, 'inspect'));
      kit.swallow();
      await fails(goesDown(kit, () => backend.list(query, SIGNAL)));
      await fails(backend.list(query, SIGNAL));
      await fails(backend.count({}, SIGNAL));
      await fails(manager.list({ limit: 1_000 }));
      await fails(manager.get(own.id));
      await kit.pass();
      await kit.recovers(application, others);
      const listed = new Set(
        (await manager.list({ service: 'faults', limit: 10_000 })).items.map(({ id }) => id),
      );
      for (const { id } of [own, ...others]) assert.ok(listed.has(id), `${id} is not in the list`);
    },
  },
  {
    name: 'down while changes are watched: they are heard again when the store is back',
    ability: 'watch',
    async run(kit) {
      const { application, others } = await prepared(kit);
      const { backend } = application;
      assert.ok(can(backend, 'watch'));
      const heard = new Set<SessionId>();
      const stop = await backend.watch(({ id }) => heard.add(id));
      await kit.refuse();
      await kit.comesBack(application, others, lasting(kit));
      const limit = performance.now() + HEARD_WITHIN;
      for (let id = await ended(application); !heard.has(id); id = await ended(application)) {
        assert.ok(
          performance.now() < limit,
          `no change was heard within ${HEARD_WITHIN} ms of the store being back`,
        );
        await pause(100);
      }
      await stop();
    },
  },
];

/** A session that lived for a moment. */
async function ended(application: Application): Promise<SessionId> {
  const { id } = await application.customer();
  assert.equal(await application.manager.end(id, ACTOR), true);
  await pause(20);
  return id;
}

function ending() {
  const at = Date.now();
  return { at, cause: 'killed', by: ACTOR.name, keepUntil: at + 60_000 } as const;
}

export async function loaded(backend: Backend, id: SessionId) {
  const [record] = await backend.load([id], SIGNAL);
  if (record instanceof Error) throw record;
  assert.ok(record !== undefined, `nothing is stored under ${id}`);
  return record;
}
