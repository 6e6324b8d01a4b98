import { memory } from '@sessionkit/backend-memory';
import {
  type Backend,
  createSessionManager,
  type Exchange,
  type Filter,
  type ManagerSetup,
  type ServiceOptions,
  SessionError,
} from '@sessionkit/session-core';
import { TestClock, testEnvironment } from '@sessionkit/testkit';
import { cookie } from '@sessionkit/transport-cookie';
import { describe, expect, it } from 'vitest';
import { Browser, request, world, wrap } from './harness.js';
import { gate, idOf, turns } from './rig.js';

const exchange = {} as Exchange;

/** A world whose service can be given other options. */
function shop(options: ServiceOptions = {}, filters: Record<string, Filter> = {}) {
  const made = world(options, { filters: new Map(Object.entries(filters)) });
  const { manager, backend } = made;
  const usual: ServiceOptions = { transports: [cookie()], autoCreate: true, backend };
  const setup = (more: ServiceOptions = {}, rest: Partial<ManagerSetup> = {}): ManagerSetup => ({
    services: new Map([['shop', { ...usual, ...more }]]),
    ...rest,
  });
  const become = (more: ServiceOptions = {}, rest: Partial<ManagerSetup> = {}) =>
    manager.reconfigure(setup(more, rest))();
  return { ...made, usual, setup, become };
}

/** Counts what is opened and closed of it. */
function counter(kind = 'counter') {
  const seen = { opened: 0, closed: 0, requests: 0 };
  const filter: Filter = {
    type: kind,
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

const settled = async (promise: Promise<unknown> | undefined) => {
  let done = false;
  void promise?.then(() => {
    done = true;
  });
  await turns();
  return done;
};

describe('other options', () => {
  it('count for the next visit; the one under way ends by those that it began with', async () => {
    const { service, become } = shop({ duration: 60_000 });
    const before = await service.open(request());
    const retired = become({ duration: 120_000 });
    const after = await service.open(request());
    for (const visit of [before, after]) await visit.finish({ status: 200, cacheControl: undefined });
    const life = ({ session }: typeof before) => (session.endsAt ?? 0) - (session.startedAt ?? 0);
    expect([life(before), life(after)]).toEqual([60_000, 120_000]);
    expect(service.options.duration).toBe(120_000);
    expect(await settled(retired.get(service))).toBe(false);
    before.close();
    expect(await settled(retired.get(service))).toBe(true);
    after.close();
  });

  it('leave sessions as they are, with their data', async () => {
    const { service, become } = shop();
    const browser = new Browser(service);
    await browser.visit((session) => session.set('cart', [1]));
    become({ idleTimeout: 5_000 });
    let cart: unknown;
    const { refusal } = await browser.visit((session) => {
      cart = session.get('cart');
    });
    expect([refusal, cart]).toEqual([undefined, [1]]);
  });

  it('leave what was counted of a client, unless the limits are others', async () => {
    const limits = { creations: 2, failedTokens: 9 };
    const { service, become } = shop({ limits });
    const come = async () => (await new Browser(service).visit()).refusal?.code;
    expect([await come(), await come(), await come()]).toEqual([undefined, undefined, 'too_many']);
    become({ limits: { ...limits }, duration: 9_000 });
    expect(await come()).toBe('too_many');
    become({ limits: { creations: 3, failedTokens: 9 } });
    expect(await come()).toBeUndefined();
  });

  it('are checked as a whole, and wrong ones change nothing', async () => {
    const { manager, service, setup, usual, backend } = shop();
    const wrong: readonly [ManagerSetup, RegExp][] = [
      [setup({ duration: -1 }), /duration must be/],
      [setup({ filters: ['ghost'] }), /there is no filter "ghost"/],
      [
        {
          services: new Map([
            ['shop', usual],
            ['blog', usual],
          ]),
        },
        /use one backend and the cookie/,
      ],
      [
        {
          services: new Map([
            ['shop', usual],
            ['blog', { ...usual, share: 'shop', transports: [cookie({ name: 'b' })] }],
          ]),
        },
        /names a service and a share group/,
      ],
      [
        setup({ maxPerUser: { max: 1, full: 'refuse' }, backend: wrap(backend, { claim: undefined }) }),
        /maxPerUser needs/,
      ],
    ];
    for (const [next, message] of wrong) {
      expect(() => manager.reconfigure(next)).toThrow(message);
      expect(() => manager.reconfigure(next)).toThrow(SessionError);
    }
    expect([...manager.services.values()]).toEqual([service]);
    expect(service.options.duration).toBeUndefined();
  });

  it('may swap the cookies of two services, which are never both right one after the other', () => {
    const { manager, usual } = shop();
    const two = (a: string, b: string): ManagerSetup => ({
      services: new Map([
        ['shop', { ...usual, transports: [cookie({ name: a })] }],
        ['blog', { ...usual, transports: [cookie({ name: b })] }],
      ]),
    });
    manager.reconfigure(two('a', 'b'))();
    manager.reconfigure(two('b', 'a'))();
    const names = [...manager.services.values()].map(
      ({ options }) => options.transports?.[0]?.carrier.cookie,
    );
    expect(names).toEqual(['b', 'a']);
  });

  it('check nothing of what is switched later: a setup that was never applied is forgotten', () => {
    const { manager, setup } = shop();
    manager.reconfigure(setup({ duration: 7_000 }));
    expect(manager.services.get('shop')?.options.duration).toBeUndefined();
  });

  it('of the deadline count for the calls of stores that stay', async () => {
    const hangs: Backend = wrap(memory(), { load: () => new Promise(() => {}) });
    const { service, become } = shop({ backend: hangs });
    become({ backend: hangs }, { deadline: 150 });
    const begun = Date.now();
    const token = `${'s01m80zhd0d2rr1hehq6e6f6rj8'}.${'A'.repeat(43)}`;
    const visit = await service.open(request({ headers: { cookie: `sxapi-sess=${token}` } }));
    expect([visit.refusal?.code, Date.now() - begun < 1_500]).toEqual(['store_unavailable', true]);
    visit.close();
  });
});

describe('a filter', () => {
  const pass = async ({ service }: ReturnType<typeof shop>, browser: Browser, end = async () => {}) => {
    const visit = await service.open(request({ headers: { cookie: browser.cookie } }));
    await service.pass(visit, exchange, end);
    visit.close();
  };

  it('that stays keeps what it knows; one that is exchanged is opened anew, and every session of it is closed once', async () => {
    const [kept, old, fresh] = [counter(), counter(), counter()];
    const made = shop({ filters: ['kept', 'other'] }, { kept: kept.filter, other: old.filter });
    const browser = new Browser(made.service);
    await browser.visit((session) => session.set('a', 1));
    await pass(made, browser);
    made.become(
      { filters: ['kept', 'other'] },
      {
        filters: new Map([
          ['kept', kept.filter],
          ['other', old.filter],
        ]),
      },
    );
    await pass(made, browser);
    expect([kept.seen.opened, old.seen.opened]).toEqual([1, 1]);
    const { filter } = fresh;
    const retired = made.become(
      { filters: ['kept', 'other'] },
      {
        filters: new Map([
          ['kept', kept.filter],
          ['other', filter],
        ]),
      },
    );
    expect(await settled(retired.get(old.filter))).toBe(true);
    expect(old.seen).toEqual({ opened: 1, closed: 1, requests: 2 });
    await pass(made, browser);
    expect(fresh.seen).toEqual({ opened: 1, closed: 0, requests: 1 });
    expect(retired.has(kept.filter)).toBe(false);
    expect(made.manager.filters.get('other')).toBe(filter);
  });

  it('of a request in flight stays with it: it is closed, and told to be unused, when the request is over', async () => {
    const [old, fresh] = [counter(), counter()];
    const made = shop({ filters: ['f'] }, { f: old.filter });
    const browser = new Browser(made.service);
    await browser.visit((session) => session.set('a', 1));
    const { passed, open } = gate();
    const flight = pass(made, browser, () => passed);
    await turns();
    const retired = made.become({ filters: ['f'] }, { filters: new Map([['f', fresh.filter]]) });
    expect([await settled(retired.get(old.filter)), old.seen.closed]).toEqual([false, 0]);
    open();
    await flight;
    expect([await settled(retired.get(old.filter)), old.seen]).toEqual([
      true,
      { opened: 1, closed: 1, requests: 1 },
    ]);
    await pass(made, browser);
    expect(fresh.seen).toEqual({ opened: 1, closed: 0, requests: 1 });
  });

  it('that is gone refuses the sessions which an operator gave it to', async () => {
    const { filter } = counter();
    const made = shop({}, { f: filter });
    const browser = new Browser(made.service);
    await browser.visit((session) => session.set('a', 1));
    await made.manager.alter(idOf(browser), { filters: ['f'] }, { name: 'olga' });
    await pass(made, browser);
    made.become();
    await expect(pass(made, browser)).rejects.toMatchObject({ code: 'MODULE_MISSING' });
    await expect(made.manager.alter(idOf(browser), { filters: ['f'] }, { name: 'olga' })).rejects.toThrow(
      'there is no filter',
    );
  });
});

describe('a backend', () => {
  /** Counts its closings. */
  function closing(real = memory()) {
    const seen = { closed: 0 };
    const backend = wrap(real, {
      close: async () => {
        seen.closed += 1;
      },
    });
    return { seen, backend };
  }

  it('that is exchanged is closed when the visits which use it are, with what they store stored', async () => {
    const [old, next] = [closing(), closing()];
    const { service, become, manager } = shop({ backend: old.backend });
    const visit = await service.open(request());
    const retired = become({ backend: next.backend });
    expect(await manager.health()).toHaveLength(1);
    expect([await settled(retired.get(old.backend)), old.seen.closed]).toEqual([false, 0]);
    visit.session.set('late', true);
    await visit.finish({ status: 200, cacheControl: undefined });
    visit.close();
    expect([await settled(retired.get(old.backend)), old.seen.closed]).toEqual([true, 1]);
    expect(next.seen.closed).toBe(0);
    await manager.close();
    expect([old.seen.closed, next.seen.closed]).toEqual([1, 1]);
  });

  it('that is still in use is closed with the manager', async () => {
    const [old, next] = [closing(), closing()];
    const { service, become, manager } = shop({ backend: old.backend });
    const visit = await service.open(request());
    become({ backend: next.backend });
    await manager.close();
    expect([old.seen.closed, next.seen.closed]).toEqual([1, 1]);
    visit.close();
  });

  it('that was given up cannot come back before it is closed', async () => {
    const old = closing();
    const { service, become } = shop({ backend: old.backend });
    const visit = await service.open(request());
    become({ backend: memory() });
    expect(() => become({ backend: old.backend })).toThrow('was given up and is being closed');
    visit.close();
  });

  it('of a service that is gone keeps its sessions, where another service uses it', async () => {
    const { manager, service, usual, become, backend } = shop();
    const both = new Map([
      ['shop', usual],
      ['blog', { ...usual, transports: [cookie({ name: 'blog' })] }],
    ]);
    manager.reconfigure({ services: both })();
    const browser = new Browser(service);
    await browser.visit((session) => session.set('a', 1));
    const retired = manager.reconfigure({ services: new Map([...both].slice(1)) })();
    expect([manager.services.has('shop'), retired.has(backend)]).toEqual([false, false]);
    expect((await manager.get(idOf(browser)))?.alive).toBe(true);
    become();
    const again = manager.services.get('shop');
    expect(again).not.toBe(service);
    const visit = await again?.open(request({ headers: { cookie: browser.cookie } }));
    expect(visit?.session.get('a')).toBe(1);
    visit?.close();
  });
});

it('fifty setups leave as many timers as one', async () => {
  const clock = new TestClock();
  const environment = testEnvironment({ clock });
  const manager = createSessionManager({ environment });
  const step = (i: number): ManagerSetup => ({
    services: new Map(
      ['shop', `other${i}`].map((name) => [
        name,
        {
          transports: [cookie({ name })],
          autoCreate: true,
          backend: memory({ now: () => clock.now() }),
          filters: ['f'],
        },
      ]),
    ),
    filters: new Map([['f', counter().filter]]),
  });
  manager.reconfigure(step(0))();
  const first = clock.running;
  for (let i = 1; i <= 50; i++) await Promise.all(manager.reconfigure(step(i))().values());
  expect(first).toBeGreaterThan(0);
  expect(clock.running).toBe(first);
  await manager.close();
  expect(clock.running).toBe(0);
});

it('what a source holds is told until it holds nothing, when it takes nothing new', async () => {
  const { manager, service, clock } = shop();
  const browser = new Browser(service);
  await browser.visit((session) => session.set('a', 1));
  const id = idOf(browser);
  let asked = 0;
  let holds = true;
  const detach = service.attach({
    sessions: () => {
      asked += 1;
      return holds ? [id] : [];
    },
    holding: () => (holds ? { connections: [], ioActivity: 7, buffered: 0 } : undefined),
  });
  const held = async () => (await manager.holdings([id])).get(id)?.map(({ ioActivity }) => ioActivity);
  holds = false;
  await clock.advance(2_000);
  holds = true;
  expect(await held()).toEqual([7]);
  detach();
  await clock.advance(2_000);
  expect(await held()).toEqual([7]);
  holds = false;
  await clock.advance(2_000);
  const before = asked;
  holds = true;
  await clock.advance(5_000);
  expect([await held(), asked]).toEqual([[], before]);
});
