import type { Millis } from '@sessionkit/session-core';

/** Something with a time at which it wants to be looked at. */
export interface Due {
  due: Millis;
  /** Its place in the queue, kept by the queue. */
  place: number;
}

/** The one that is due first comes first: a binary heap in which every member knows its place and can be taken out. */
export class DueQueue<T extends Due> {
  readonly #heap: T[] = [];

  first(): T | undefined {
    return this.#heap[0];
  }

  add(item: T, due: Millis): void {
    item.due = due;
    item.place = this.#heap.length;
    this.#heap.push(item);
    this.#up(item);
  }

  move(item: T, due: Millis): void {
    const later = due > item.due;
    item.due = due;
    if (later) this.#down(item);
    else this.#up(item);
  }

  remove(item: T): void {
    const last = this.#heap.pop();
    if (last === undefined || last === item) return;
    const later = last.due > item.due;
    this.#put(last, item.place);
    if (later) this.#down(last);
    else this.#up(last);
  }

  #put(item: T, place: number): void {
    this.#heap[place] = item;
    item.place = place;
  }

  #up(item: T): void {
    while (item.place > 0) {
      const parent = this.#heap[(item.place - 1) >>> 1];
      if (parent === undefined || parent.due <= item.due) return;
      const place = parent.place;
      this.#put(parent, item.place);
      this.#put(item, place);
    }
  }

  #down(item: T): void {
    for (;;) {
      const left = this.#heap[2 * item.place + 1];
      const right = this.#heap[2 * item.place + 2];
      const child = right !== undefined && left !== undefined && right.due < left.due ? right : left;
      if (child === undefined || child.due >= item.due) return;
      const place = child.place;
      this.#put(child, item.place);
      this.#put(item, place);
    }
  }
}
