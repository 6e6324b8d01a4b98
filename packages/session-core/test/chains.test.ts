import { setTimeout as pause } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { Chains } from '../src/chains.js';
import type { LogEntry } from '../src/environment.js';
import { processEnvironment } from '../src/environment.js';
import type { Filter } from '../src/filter.js';
import { exchange, NOW, record, slow, spyOf } from './chains-kit.js';

let log: LogEntry[];
let now: number;
let events: string[];
let opening: Promise<void>;

beforeEach(() => {
  log = [];
  now = NOW;
  events = [];
  opening = Promise.resolve();
});

const spy = (name: string, refuses = () => false) =>
  spyOf(
    name,
    refuses,
    (event) => events.push(event),
    () => opening,
  );

function chains(filters: Record<string, Filter>, defaults: readonly string[]): Chains {
  const environment = { ...processEnvironment, now: () => now, log: (entry: LogEntry) => log.push(entry) };
  return new Chains({ service: 'web', filters: new Map(Object.entries(filters)), defaults, environment });
}

const at = async () => {
  events.push('end');
};

describe('a chain', () => {
  it('passes each request through its filters in order, and is opened once', async () => {
    const all = chains({ a: spy('a'), b: spy('b') }, ['a', 'b']);
    const session = record();
    await Promise.all([
      all.handle(session, undefined, exchange, at),
      all.handle(session, undefined, exchange, at),
    ]);
    expect(events.filter((event) => event.startsWith('open'))).toEqual(['open a1 -', 'open b1 -']);
    expect(events.filter((event) => event === '> b1')).toHaveLength(2);
    events = [];
    await all.handle(session, undefined, exchange, at);
    expect(events).toEqual(['> a1', '> b1', 'end', '< b1', '< a1']);
  });

  it('concerns only sessions that have filters, or have one open', async () => {
    const all = chains({ a: spy('a') }, []);
    const session = record();
    expect(all.concerns(session)).toBe(false);
    expect(all.concerns({ ...session, filters: ['a'] })).toBe(true);
    await all.handle({ ...session, filters: ['a'] }, undefined, exchange, at);
    expect(all.concerns(session)).toBe(true);
    await all.handle({ ...session, filters: [] }, undefined, exchange, at);
    expect(events).toContain('close a1');
  });

  it('answers in place of the rest when a filter does not pass the request on, and passes it on once however often it asks', async () => {
    const wall: Filter = { type: 'wall', open: () => ({ handle: async () => {}, close() {} }) };
    const twice: Filter = {
      type: 'twice',
      open: () => ({
        handle: async (_exchange, next) => {
          await Promise.all([next(), next()]);
        },
        close() {},
      }),
    };
    await chains({ wall, a: spy('a') }, ['wall', 'a']).handle(record(), undefined, exchange, at);
    expect(events).toEqual(['open a1 -']);
    events = [];
    await chains({ twice }, ['twice']).handle(record(), undefined, exchange, at);
    expect(events).toEqual(['end']);
  });

  it('throws what a filter throws, and is there for the next request', async () => {
    const bad: Filter = {
      type: 'bad',
      open: () => ({ handle: () => Promise.reject(new Error('broken')), close() {} }),
    };
    const all = chains({ bad }, ['bad']);
    const session = record();
    for (let i = 0; i < 2; i++)
      await expect(all.handle(session, undefined, exchange, at)).rejects.toThrow('broken');
  });
});

describe('another list of filters', () => {
  it('takes the place of the old one when no request runs: that in flight and those beside it go wholly through the old one, the next wholly through the new', async () => {
    const all = chains({ a: spy('a'), b: spy('b') }, ['a']);
    const session = record();
    const request = slow();
    const first = all.handle(session, undefined, exchange, request.at);
    await pause(1);
    const altered = { ...session, filters: ['b'] };
    all.refresh(altered, undefined);
    await pause(1);
    expect(events).toEqual(['open a1 -', '> a1', 'open b1 -']);
    expect(all.pending(session.id)).toContain('under way');
    await all.handle(altered, undefined, exchange, at);
    expect(events.slice(3)).toEqual(['> a1', 'end', '< a1']);
    request.end();
    await first;
    await pause(1);
    expect(events.slice(6)).toEqual(['< a1', 'close a1']);
    expect(all.pending(session.id)).toBeUndefined();
    await all.handle(altered, undefined, exchange, at);
    expect(events.slice(8)).toEqual(['> b1', 'end', '< b1']);
  });

  it('is waited for by the next request when none runs', async () => {
    const all = chains({ a: spy('a'), b: spy('b') }, ['a']);
    const session = record();
    await all.handle(session, undefined, exchange, at);
    let open = () => {};
    opening = new Promise((resolve) => {
      open = resolve;
    });
    const next = [1, 2].map(() => all.handle({ ...session, filters: ['b'] }, undefined, exchange, at));
    await pause(1);
    expect(events).toHaveLength(4);
    open();
    await Promise.all(next);
    expect(events.filter((event) => event === '> b1')).toHaveLength(2);
    expect(events.filter((event) => event === 'close a1')).toHaveLength(1);
  });

  it('that cannot be opened leaves the old one, is logged once, and is told as pending until it opens', async () => {
    let refuses = true;
    const all = chains({ a: spy('a'), b: spy('b', () => refuses) }, ['a']);
    const session = record();
    await all.handle(session, undefined, exchange, at);
    const altered = { ...session, filters: ['b'] };
    for (let i = 0; i < 3; i++) await all.handle(altered, undefined, exchange, at);
    expect(events.filter((event) => event === '> a1')).toHaveLength(4);
    expect(log).toMatchObject([{ level: 'warning', session: session.id }]);
    expect(all.pending(session.id)).toBe('b does not open');
    refuses = false;
    await all.handle(altered, undefined, exchange, at);
    expect(events).toContain('> b1');
    expect(all.pending(session.id)).toBeUndefined();
  });

  it('with one that is not configured refuses the visit, which goes through no filter', async () => {
    const all = chains({ a: spy('a') }, ['a']);
    const session = record();
    await all.handle(session, undefined, exchange, at);
    events = [];
    const visit = all.handle({ ...session, filters: ['gone'] }, undefined, exchange, at);
    await expect(visit).rejects.toMatchObject({
      code: 'MODULE_MISSING',
      message: expect.stringContaining('"gone"'),
    });
    expect(events).toEqual([]);
  });

  it('with one that is not configured refuses the visit also while another list is being opened', async () => {
    const all = chains({ a: spy('a'), b: spy('b') }, ['a']);
    const session = record();
    const request = slow();
    const first = all.handle(session, undefined, exchange, request.at);
    await pause(1);
    let open = () => {};
    opening = new Promise((resolve) => {
      open = resolve;
    });
    all.refresh({ ...session, filters: ['b'] }, undefined);
    const visit = all.handle({ ...session, filters: ['gone'] }, undefined, exchange, at);
    await expect(visit).rejects.toMatchObject({ code: 'MODULE_MISSING' });
    expect(all.pending(session.id)).toContain('"gone"');
    open();
    request.end();
    await first;
    expect(events).not.toContain('end');
  });

  it('closes what has opened of a chain whose later filter does not open, and refuses a session without an older one', async () => {
    const all = chains({ a: spy('a'), b: spy('b', () => true) }, ['a', 'b']);
    await expect(all.handle(record(), undefined, exchange, at)).rejects.toThrow('b does not open');
    expect(events).toEqual(['open a1 -', 'close a1']);
  });
});

it('a login and a restart open the same filters anew', async () => {
  const all = chains({ a: spy('a') }, ['a']);
  const session = record();
  await all.handle(session, undefined, exchange, at);
  await all.handle({ ...session, epoch: 1, user: 'ann' }, undefined, exchange, at);
  await all.handle({ ...session, epoch: 1, user: 'ann' }, NOW + 1, exchange, at);
  expect(events.filter((event) => /^(open|close)/.test(event))).toEqual([
    'open a1 -',
    'open a2 ann',
    'close a1',
    'open a3 ann',
    'close a2',
  ]);
});

describe('filter sessions close exactly once', () => {
  const closed = () => events.filter((event) => event.startsWith('close')).sort();

  it('when their session is over, after the requests under way', async () => {
    const all = chains({ a: spy('a') }, ['a']);
    const session = record();
    const request = slow();
    const visit = all.handle(session, undefined, exchange, request.at);
    await pause(1);
    all.over(session.id);
    all.refresh({ ...session, ended: { at: NOW, cause: 'killed', by: 'olga' } }, undefined);
    await pause(1);
    expect(closed()).toEqual([]);
    request.end();
    await visit;
    expect(closed()).toEqual(['close a1']);
    expect(all.has(session.id)).toBe(false);
  });

  it('when nobody has come for as long as the session may go unused', async () => {
    const all = chains({ a: spy('a') }, ['a']);
    const session = record();
    await all.handle(session, undefined, exchange, at);
    all.sweep();
    expect(closed()).toEqual([]);
    now += 60_000;
    all.sweep();
    all.sweep();
    await pause(1);
    expect(closed()).toEqual(['close a1']);
  });

  it('when the service closes, the one to come as well', async () => {
    const all = chains({ a: spy('a'), b: spy('b') }, ['a']);
    const session = record();
    const request = slow();
    const visit = all.handle(session, undefined, exchange, request.at);
    await pause(1);
    all.refresh({ ...session, filters: ['b'] }, undefined);
    await all.close();
    request.end();
    await visit;
    await pause(1);
    expect(closed()).toEqual(['close a1', 'close b1']);
  });

  it('when the service closes while the first one is being opened, and none is opened after it', async () => {
    const all = chains({ a: spy('a') }, ['a']);
    let open = () => {};
    opening = new Promise((resolve) => {
      open = resolve;
    });
    const visit = all.handle(record(), undefined, exchange, at);
    const refused = expect(visit).rejects.toMatchObject({ code: 'BACKEND_CLOSED' });
    const closing = all.close();
    open();
    await closing;
    await refused;
    await expect(all.handle(record(), undefined, exchange, at)).rejects.toMatchObject({
      code: 'BACKEND_CLOSED',
    });
    expect(events).toEqual(['open a1 -', 'close a1']);
  });

  it('through a hundred changes under a hundred requests', async () => {
    const all = chains({ a: spy('a'), b: spy('b') }, ['a']);
    const session = record();
    const requests: Promise<void>[] = [];
    for (let i = 0; i < 100; i++) {
      const filters = i % 3 === 0 ? ['a', 'b'] : ['b'];
      requests.push(
        all.handle({ ...session, filters, epoch: i >> 3 }, undefined, exchange, () => pause(i % 3)),
      );
      if (i % 5 === 0) await pause(8);
    }
    await Promise.all(requests);
    all.over(session.id);
    await pause(5);
    const opened = events.filter((event) => event.startsWith('open')).map((event) => event.split(' ')[1]);
    expect(opened.length).toBeGreaterThan(5);
    expect(closed()).toEqual(opened.map((name) => `close ${name}`).sort());
  });

  it('and one that throws while closing is logged and does not keep the others open', async () => {
    const bad: Filter = {
      type: 'bad',
      open: () => ({
        handle: (_exchange, next) => next(),
        close() {
          throw new Error('stuck');
        },
      }),
    };
    const all = chains({ bad, a: spy('a') }, ['bad', 'a']);
    const session = record();
    await all.handle(session, undefined, exchange, at);
    all.over(session.id);
    await pause(1);
    expect(closed()).toEqual(['close a1']);
    expect(log).toMatchObject([
      { message: 'a filter could not be closed', service: 'web', session: session.id },
    ]);
  });
});
