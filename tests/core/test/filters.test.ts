import { memory } from '@sessionkit/backend-memory';
import type { Backend, Exchange, Filter } from '@sessionkit/session-core';
import { createSessionManager, SessionError } from '@sessionkit/session-core';
import { TestClock, testEnvironment } from '@sessionkit/testkit';
import { cookie } from '@sessionkit/transport-cookie';
import { expect, onTestFinished, test } from 'vitest';
import { Browser, request, world, wrap } from './harness.js';

const operator = { name: 'olga' };
const exchange = {} as Exchange;

function counter() {
  const seen = { opened: 0, closed: 0, requests: 0 };
  const filter: Filter = {
    type: 'counter',
    open() {
      seen.opened += 1;
      return {
        handle(_exchange, next) {
          seen.requests += 1;
          return next();
        },
        close() {
          seen.closed += 1;
        },
      };
    },
  };
  return { seen, filter };
}

function counted(defaults: readonly string[] = [], more: { clock?: TestClock; backend?: Backend } = {}) {
  const { seen, filter } = counter();
  const { clock, backend } = more;
  const made = world(
    { filters: defaults, ...(backend && { backend }) },
    { filters: new Map([['counter', filter]]), ...(clock && { clock }) },
  );
  const browser = new Browser(made.service);
  const pass = async () => {
    const { visit } = await browser.visit((session) => session.set('a', 1));
    const open = await made.service.open(request({ headers: { cookie: browser.cookie } }));
    await made.service.pass(open, exchange, async () => {});
    open.close();
    if (visit.session.id === undefined) throw new Error('no session');
    return visit.session.id;
  };
  return { ...made, seen, pass };
}

test('a filter that an operator gives to a session sees its next request, and none when it is taken away', async () => {
  const { manager, seen, pass } = counted();
  const id = await pass();
  expect(seen).toEqual({ opened: 0, closed: 0, requests: 0 });
  await manager.alter(id, { filters: ['counter'] }, operator);
  await pass();
  await pass();
  expect(seen).toEqual({ opened: 1, closed: 0, requests: 2 });
  await manager.alter(id, { filters: [] }, operator);
  await pass();
  expect(seen).toEqual({ opened: 1, closed: 1, requests: 2 });
});

test('a restart opens filters anew, that of one session and that of all; a reset gives the session those of its service', async () => {
  const { manager, clock, seen, pass } = counted(['counter']);
  const id = await pass();
  await clock.advance(1);
  await manager.restart(id, operator);
  await pass();
  expect(seen).toEqual({ opened: 2, closed: 1, requests: 2 });
  await clock.advance(1);
  await manager.restartAll(operator);
  await pass();
  expect(seen).toMatchObject({ opened: 3, closed: 2 });
  await manager.alter(id, { filters: [] }, operator);
  await pass();
  await manager.restart(id, operator, { reset: true });
  await pass();
  expect(seen).toEqual({ opened: 4, closed: 3, requests: 4 });
});

test('the end of a session closes its filters, in this process and in others that are told of it', async () => {
  const { manager, seen, pass } = counted(['counter']);
  await manager.end(await pass(), operator);
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(seen).toMatchObject({ opened: 1, closed: 1 });
});

test('a service with a filter that is not there is refused', () => {
  const { manager, backend } = world();
  const bad = () => manager.service('other', { backend, transports: [], filters: ['gone'] });
  expect(bad).toThrow(SessionError);
});

test('a restart of all sessions by another process opens filters anew within 2 s, with one mark for each service', async () => {
  const clock = new TestClock();
  const backend = memory({ now: () => clock.now() });
  let saves = 0;
  const save: typeof backend.save = (record, signal) => {
    saves += 1;
    return backend.save(record, signal);
  };
  const { seen, pass, service } = counted(['counter'], { clock, backend });
  const alone = createSessionManager({ environment: testEnvironment({ clock, random: 7 }) });
  alone.service('shop', { backend: wrap(backend.share(), { save }), transports: [cookie()] });
  const id = await pass();
  await clock.advance(10);
  await alone.restartAll(operator);
  expect((await alone.get(id))?.restartedAt).toBe(clock.now());
  await clock.advance(2_000);
  await pass();
  expect(seen).toMatchObject({ opened: 2, closed: 1 });
  expect(saves).toBe(0);
  expect(service.pending(id)).toBeUndefined();
  expect((await alone.list()).items.map((session) => session.id)).toEqual([id]);
});

test('a filter is told which service a request came to, also where services share their sessions', async () => {
  const came: (string | undefined)[] = [];
  const filter: Filter = {
    type: 'asking',
    open: ({ service }) => ({
      handle(exchange, next) {
        came.push(service, exchange.service);
        return next();
      },
      close() {},
    }),
  };
  const manager = createSessionManager({ filters: new Map([['asking', filter]]) });
  onTestFinished(() => manager.close());
  const options = {
    share: 'family',
    backend: memory(),
    transports: [cookie()],
    autoCreate: true,
    filters: ['asking'],
  } as const;
  for (const name of ['shop', 'help']) {
    const service = manager.service(name, options);
    const visit = await service.open(request());
    await service.pass(visit, { ...exchange }, async () => {});
    visit.close();
  }
  expect(came).toEqual(['family', 'shop', 'family', 'help']);
});
