import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Chains } from '../src/chains.js';
import { processEnvironment } from '../src/environment.js';
import type { Filter } from '../src/filter.js';
import { exchange, NOW, record, spyOf } from './chains-kit.js';

function chains(filters: Record<string, Filter>, defaults: readonly string[]): Chains {
  const environment = { ...processEnvironment, now: () => NOW, log: () => undefined };
  return new Chains({ service: 'web', filters: new Map(Object.entries(filters)), defaults, environment });
}

it('a request that waits for filters which cannot be opened does not go through old ones that were closed meanwhile', async () => {
  const events: string[] = [];
  const tell = (event: string) => void events.push(event);
  let fail = () => {};
  const opening = new Promise<void>((_resolve, reject) => {
    fail = () => reject(new Error('b does not open'));
  });
  const all = chains(
    {
      a: spyOf('a', () => false, tell),
      b: spyOf(
        'b',
        () => false,
        tell,
        () => opening,
      ),
    },
    ['a'],
  );
  const session = record();
  await all.handle(session, undefined, exchange, async () => {});
  const visit = all.handle({ ...session, filters: ['b'] }, undefined, exchange, async () => {});
  all.over(session.id);
  fail();
  await expect(visit).rejects.toThrow('b does not open');
  expect(events).toEqual(['open a1 -', '> a1', '< a1', 'close a1']);
});

it('filter sessions close exactly once, and nothing runs through a closed one, whatever order changes, notices, requests, failures of opening, ends and reloads come in', async () => {
  let state = 1;
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
  const refuses = () => random(4) === 0;
  const events: string[] = [];
  const tell = (event: string) => void events.push(event);
  const given = {
    a: spyOf('a', refuses, tell),
    b: spyOf('b', refuses, tell),
    c: spyOf('c', () => false, tell),
  };
  const all = chains(given, ['c']);
  const session = record();
  const lists = [undefined, [], ['a'], ['b', 'c'], ['a', 'b', 'c']];
  const requests: Promise<unknown>[] = [];
  const passed = { through: 0, refused: 0 };
  for (let i = 0; i < 1_000; i++) {
    const filters = lists[random(lists.length)];
    const asked = { ...session, filters, epoch: random(3) };
    const what = random(10);
    if (what < 5) {
      const visit = all.handle(asked, undefined, exchange, () => pause(random(3)));
      requests.push(
        visit.then(
          () => passed.through++,
          () => passed.refused++,
        ),
      );
    } else if (what < 8) all.refresh(asked, undefined);
    else if (what === 8) all.over(session.id);
    else all.become(random(2) === 0 ? ['c'] : [], new Map(Object.entries(given)));
    if (random(3) === 0) await pause(random(3));
  }
  await Promise.all(requests);
  all.over(session.id);
  await pause(10);
  const names = (what: string) =>
    events.filter((event) => event.startsWith(what)).map((event) => event.split(' ')[1]);
  expect(names('open').length).toBeGreaterThan(100);
  expect(names('close').sort()).toEqual(names('open').sort());
  expect(new Set(names('close')).size).toBe(names('close').length);
  // Nothing runs through a filter session that is closed.
  const placeOf = new Map(events.map((event, place) => [event, place]));
  for (const [place, event] of events.entries()) {
    const name = event.split(' ')[1];
    if (event.startsWith('<') || event.startsWith('>'))
      expect(place).toBeLessThan(placeOf.get(`close ${name}`) ?? 0);
  }
  expect(passed.refused).toBeGreaterThan(0);
  expect(passed.through).toBeGreaterThan(100);
});
