import type { SessionId } from '@sessionkit/session-core';
import { seededRandom } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import { BigMap } from '../src/big-map.js';
import { type Due, DueQueue } from '../src/due-queue.js';
import { SortedIds } from '../src/sorted-ids.js';

/** Whole numbers below `limit`, the same in every run. */
function numbers(seed: number): (limit: number) => number {
  const random = seededRandom(seed);
  return (limit) => Buffer.from(random(4)).readUInt32LE() % limit;
}

const idOf = (n: number) => `s${`${n}`.padStart(6, '0')}` as SessionId;

describe('sorted ids', () => {
  it.each([1, 2, 3])('are what a sorted set of them is, after 30,000 random changes (seed %i)', (seed) => {
    const below = numbers(seed);
    const ids = new SortedIds();
    const model = new Set<SessionId>();
    for (let n = 0; n < 30_000; n++) {
      const id = idOf(below(6_000));
      const shrinking = n % 10_000 > 6_000;
      if (below(10) < (shrinking ? 2 : 7)) expect(ids.add(id)).toBe(!model.has(id) && Boolean(model.add(id)));
      else expect(ids.delete(id)).toBe(model.delete(id));
      if (n % 997 !== 0) continue;
      const sorted = [...model].sort();
      expect([...ids.from('')]).toEqual(sorted);
      expect(ids.size).toBe(sorted.length);
      expect(ids.first()).toBe(sorted[0]);
      const from = idOf(below(6_000));
      expect([...ids.from(from)]).toEqual(sorted.filter((each) => each >= from));
      expect(ids.rank(from)).toBe(sorted.filter((each) => each < from).length);
    }
  });

  it('takes 100,000 ids in order, gives them up from the front and is empty then', () => {
    const ids = new SortedIds();
    for (let n = 0; n < 100_000; n++) ids.add(idOf(n));
    for (let n = 0; n < 100_000; n++) {
      expect(ids.first()).toBe(idOf(n));
      ids.delete(idOf(n));
    }
    expect([...ids.from('')]).toEqual([]);
    expect(ids.size).toBe(0);
  });
});

describe('the queue of what is due', () => {
  it('gives the earliest first, after 20,000 random additions, moves and removals', () => {
    const below = numbers(4);
    const queue = new DueQueue<Due>();
    const model = new Set<Due>();
    for (let n = 0; n < 20_000; n++) {
      const members = [...(n % 50 === 0 ? model : [])];
      const some = members[below(Math.max(1, members.length))] ?? queue.first();
      const act = below(4);
      if (act < 2 || some === undefined) {
        const item = { due: 0, place: 0 };
        queue.add(item, below(1_000));
        model.add(item);
      } else if (act === 2) queue.move(some, below(1_000));
      else {
        queue.remove(some);
        model.delete(some);
      }
      if (n % 101 === 0) expect(queue.first()?.due).toBe(Math.min(...[...model].map(({ due }) => due)));
    }
    const order: number[] = [];
    for (let item = queue.first(); item !== undefined; item = queue.first()) {
      order.push(item.due);
      queue.remove(item);
    }
    expect(order).toEqual([...model].map(({ due }) => due).sort((a, b) => a - b));
  });
});

describe('the map in parts', () => {
  it('is what a map is, for keys of any alphabet', () => {
    const below = numbers(5);
    const map = new BigMap<number>();
    const model = new Map<string, number>();
    for (let n = 0; n < 20_000; n++) {
      const key = ['', 'a', 'é', '😀'][below(4)] + String(below(2_000));
      if (below(3) > 0) {
        map.set(key, n);
        model.set(key, n);
      } else expect(map.delete(key)).toBe(model.delete(key));
      expect(map.get(key)).toBe(model.get(key));
      expect(map.size).toBe(model.size);
    }
  });
});
