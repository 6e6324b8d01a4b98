import { memory } from '@sessionkit/backend-memory';
import {
  createSessionManager,
  type Exchange,
  type Filter,
  type Holding,
  type HoldingSource,
  type LogEntry,
  SessionError,
  type SessionId,
  type Visit,
} from '@sessionkit/session-core';
import { TestClock, testEnvironment } from '@sessionkit/testkit';
import { cookie } from '@sessionkit/transport-cookie';
import { describe, expect, test } from 'vitest';
import { Browser, request, wrap } from './harness.js';
import { gate, idOf, rig } from './rig.js';

const operator = { name: 'olga' };
type Append = ReturnType<typeof memory>['append'];

/** Two processes on one store: one serves, the other only looks. */
async function two(kept = { statements: 3, lines: 3 }, members: Record<string, unknown> = {}) {
  const clock = new TestClock();
  const environment = testEnvironment({ clock });
  const mine = memory({ now: () => clock.now() });
  const backend = Object.keys(members).length > 0 ? wrap(mine, members) : mine;
  const stops: (() => void)[] = [];
  const every = (interval: number, task: () => void) => {
    const stop = environment.every(interval, task);
    stops.push(stop);
    return stop;
  };
  const serving = createSessionManager({ environment: { ...environment, every }, kept: () => kept });
  /** As a process that is killed: nothing of it runs any more. */
  const kill = () => {
    for (const stop of stops) stop();
  };
  const service = serving.service('shop', { transports: [cookie()], autoCreate: true, backend });
  const looking = createSessionManager({ environment: testEnvironment({ clock, random: 2 }) });
  looking.service('shop', { transports: [cookie()], backend: mine.share() });

  const browser = new Browser(service);
  const { visit } = await browser.visit((session) => session.set('a', 1));
  const { id } = visit.session;
  if (id === undefined) throw new Error('no session');
  const open = (): Promise<Visit> => service.open(request({ headers: { cookie: browser.cookie } }));
  const seen = async (manager = looking) => {
    const activity = (await manager.activity([id])).get(id);
    if (activity === undefined) throw new Error('the answer has not the id');
    return activity;
  };
  return { clock, environment, serving, looking, service, browser, id, open, seen, kill, store: mine };
}

describe('statements', () => {
  test('are seen while they run and when they are over, with the answers of servers, from another process after a flush', async () => {
    const { clock, serving, service, open, seen } = await two();
    const visit = await open();
    const noted = service.note(visit, 'GET /cart');
    const received = clock.now();
    expect((await seen()).statements).toEqual([]);
    expect((await seen(serving)).statements).toMatchObject([
      { statement: 'GET /cart', completed: undefined },
    ]);
    await clock.advance(1_000);
    expect((await seen()).statements).toMatchObject([
      { statement: 'GET /cart', received, completed: undefined, responses: [] },
    ]);
    noted?.answered('server1');
    await clock.advance(200);
    noted?.end();
    noted?.end();
    await clock.advance(1_000);
    const whole = [
      {
        statement: 'GET /cart',
        received,
        completed: received + 1_200,
        responses: [{ server: 'server1', duration: 1_000 }],
      },
    ];
    expect((await seen()).statements).toMatchObject(whole);
    expect((await seen(serving)).statements).toEqual((await seen()).statements);
    visit.close();
  });

  test('are as many as are kept, the newest first', async () => {
    const { clock, service, open, seen } = await two({ statements: 2, lines: 0 });
    for (const path of ['/1', '/2', '/3']) {
      service.note(await open(), `GET ${path}`)?.end();
      await clock.advance(10);
    }
    await clock.advance(1_000);
    expect((await seen()).statements.map(({ statement }) => statement)).toEqual(['GET /3', 'GET /2']);
  });

  test('are not noted of services that keep none, nor of visits without a stored session', async () => {
    const none = await two({ statements: 0, lines: 0 });
    expect(none.service.note(await none.open(), 'GET /')).toBeUndefined();
    const { service } = await two();
    expect(service.note(await service.open(request()), 'GET /')).toBeUndefined();
  });

  test('wait for a store that does not take them, and come once', async () => {
    let down = true;
    let applied = 0;
    const clock = new TestClock();
    const mine = memory({ now: () => clock.now() });
    const append: typeof mine.append = async (batch, signal) => {
      if (down) throw new SessionError('BACKEND_DOWN', 'down', { retryable: true });
      await mine.append(batch, signal);
      applied += 1;
      if (applied === 1) throw new SessionError('BACKEND_FAILED', 'the answer was lost', { retryable: true });
    };
    const manager = createSessionManager({
      environment: testEnvironment({ clock }),
      kept: () => ({ statements: 10, lines: 10 }),
    });
    const service = manager.service('shop', {
      transports: [cookie()],
      autoCreate: true,
      backend: wrap(mine, { append }),
    });
    const browser = new Browser(service);
    const { visit } = await browser.visit((session) => session.set('a', 1));
    const id = visit.session.id as SessionId;
    manager.environment.log({ level: 'info', message: 'hello', service: 'shop', session: id });
    await clock.advance(2_000);
    down = false;
    await clock.advance(3_000);
    const { lines } = (await manager.activity([id])).get(id) ?? { lines: [] };
    expect(lines.map(({ text }) => text)).toEqual(['hello']);
    expect(applied).toBe(2);
  });
});

describe('a journal that answers slowly', () => {
  test('is sent one batch at a time, and gets all of them', async () => {
    const slow = gate();
    let [running, most] = [0, 0];
    const append: Append = async (batch, signal) => {
      running++;
      most = Math.max(most, running);
      if (running === 1) await slow.passed;
      running--;
      await journal.append(batch, signal);
    };
    const { clock, serving, id, seen, store: journal } = await two({ statements: 0, lines: 10 }, { append });
    const tell = (message: string) =>
      serving.environment.log({ level: 'info', message, service: 'shop', session: id });
    for (const message of ['a', 'b', 'c']) {
      tell(message);
      await clock.advance(1_000);
    }
    slow.open();
    await clock.advance(1_000);
    expect((await seen()).lines.map(({ text }) => text)).toEqual(['a', 'b', 'c']);
    expect(most).toBe(1);
  });
});

describe('the log of a session', () => {
  test('has all levels, the last ones, and what operators did to it', async () => {
    const { clock, serving, id, seen } = await two({ statements: 0, lines: 2 });
    for (const level of ['debug', 'info', 'error'] as const)
      serving.environment.log({ level, message: level, service: 'shop', session: id });
    await clock.advance(1_000);
    expect((await seen()).lines).toMatchObject([
      { level: 'info', text: 'info', at: expect.any(Number) },
      { level: 'error', text: 'error' },
    ]);
    await serving.alter(id, { parameters: { log_info: true } }, operator);
    await clock.advance(1_000);
    expect((await seen()).lines.at(-1)?.text).toContain('olga set');
  });

  test('is in the order of time, also where several processes write it', async () => {
    const { clock, serving, looking, id, seen } = await two({ statements: 0, lines: 10 });
    const other = createSessionManager({
      environment: testEnvironment({ clock, random: 3 }),
      kept: () => ({ statements: 0, lines: 10 }),
    });
    const [service] = looking.services.values();
    const backend = service?.options.backend as ReturnType<typeof memory>;
    other.service('shop', { transports: [cookie()], backend: backend.share() });
    await other.health();
    const managers = [serving, other, serving, other, serving];
    for (const [i, manager] of managers.entries()) {
      manager.environment.log({ level: 'info', message: `line ${i}`, service: 'shop', session: id });
      await clock.advance(10);
    }
    await clock.advance(2_000);
    expect((await seen()).lines.map(({ text }) => text)).toEqual(managers.map((_, i) => `line ${i}`));

    await other.close();
  });

  test('has what could not be done for it', async () => {
    const filter: Filter = {
      type: 'bad',
      open: () => {
        throw new Error('no room');
      },
    };
    const { service, manager, clock, broken } = rig(
      { filters: ['bad'] },
      { filters: new Map([['bad', filter]]), kept: () => ({ statements: 0, lines: 10 }) },
    );
    const browser = new Browser(service);
    await browser.visit();
    await browser.visit((session) => session.rotate());
    const id = idOf(browser);
    await manager.alter(id, { parameters: { log_info: true } }, operator);
    broken.save = () => Promise.reject(new SessionError('CONFLICT', 'lost', { retryable: true }));
    const visit = await service.open(request({ headers: { cookie: browser.cookie } }));
    await expect(service.pass(visit, {} as Exchange, async () => {})).rejects.toThrow('no room');
    visit.close();
    await manager.restartAll(operator, { reset: true });
    delete broken.save;
    await clock.advance(2_000);
    const { lines } = (await manager.activity([id])).get(id) ?? { lines: [] };
    expect(lines.map(({ text }) => text)).toEqual([
      'olga set {"parameters":{"log_info":true}}',
      'its filters could not be opened: no room (no room)',
      'noting a rotated secret failed (lost)',
      'a session was not reset (lost)',
    ]);
    await manager.close();
  });

  test('reaches the process log from notice on, and as the levels of the session say from its next request on', async () => {
    const { serving, environment, browser, id } = await two();
    const lines = (level: LogEntry['level']) => {
      serving.environment.log({ level, message: 'told', service: 'shop', session: id });
      return environment.entries.filter(({ message }) => message === 'told').splice(-1)[0];
    };
    expect(lines('info')).toBeUndefined();
    expect(lines('notice')).toMatchObject({ level: 'notice' });
    await serving.alter(id, { parameters: { log_info: true, log_notice: false } }, operator);
    await browser.visit();
    expect(lines('info')).toMatchObject({ level: 'info', wanted: true });
    expect(lines('notice')).toMatchObject({ level: 'info' });
    await serving.alter(id, { parameters: { log_info: false, log_notice: true } }, operator);
    await browser.visit();
    expect(lines('notice')).toMatchObject({ level: 'notice', wanted: true });
    expect(lines('info')).toMatchObject({ level: 'notice' });
  });
});

describe('holdings', () => {
  const one: Holding = { connections: [], ioActivity: 4, buffered: 10 };

  function source(id: SessionId, holding: () => Holding | undefined): HoldingSource {
    return {
      sessions: () => (holding() === undefined ? [] : [id]),
      holding: (asked) => (asked === id ? holding() : undefined),
    };
  }

  test('are seen from another process within 2 s, united per process, and go when they are given back', async () => {
    const { clock, serving, looking, service, id } = await two();
    let held: Holding | undefined = one;
    service.attach(source(id, () => held));
    service.attach(source(id, () => held && { ...one, ioActivity: 1 }));
    await clock.advance(2_000);
    const [seen, ...others] = (await looking.holdings([id])).get(id) ?? [];
    expect(others).toEqual([]);
    expect(seen).toMatchObject({ ioActivity: 5, buffered: 20, pid: process.pid, pending: undefined });
    expect((await serving.holdings([id])).get(id)).toMatchObject([{ process: seen?.process }]);
    held = undefined;
    await clock.advance(2_000);
    expect((await looking.holdings([id])).get(id)).toEqual([]);
  });

  test('of a process that is gone vanish with their lease', async () => {
    const { clock, looking, service, id, kill } = await two();
    service.attach(source(id, () => one));
    await clock.advance(2_000);
    expect((await looking.holdings([id])).get(id)).toHaveLength(1);
    kill();
    await clock.advance(11_000);
    expect((await looking.holdings([id])).get(id)).toEqual([]);
  });

  test('are taken back when the process closes', async () => {
    const { clock, serving, looking, service, id } = await two();
    service.attach(source(id, () => one));
    await clock.advance(2_000);
    await serving.close();
    expect((await looking.holdings([id])).get(id)).toEqual([]);
  });

  test('count a visit that waits for the end of its session', async () => {
    const { clock, looking, id, open } = await two();
    const visit = await open();
    void visit.session.signal;
    await clock.advance(2_000);
    expect((await looking.holdings([id])).get(id)).toMatchObject([{ connections: [], ioActivity: 0 }]);
    visit.close();
    await clock.advance(2_000);
    expect((await looking.holdings([id])).get(id)).toEqual([]);
  });
});
