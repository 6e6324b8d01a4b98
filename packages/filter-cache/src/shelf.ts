import type { Millis } from '@sessionkit/session-core';

/** Names of an answer, the numbers and the objects around them. */
const OVERHEAD = 512;

/** How much is kept. */
export interface Bounds {
  readonly entries: number;
  /** Of bodies and fields. */
  readonly bytes: number;
}

/** An answer that is kept. */
export interface Entry {
  /** Names and values. */
  readonly fields: readonly string[];
  readonly body: Buffer;
  /** When it was made, by what it says of its age. */
  readonly bornAt: Millis;
  readonly storedAt: Millis;
  /** When it may be used no more. */
  readonly staleAt: Millis;
}

interface Placed {
  readonly entry: Entry;
  readonly key: string;
  readonly bytes: number;
  readonly drawer: Drawer;
}

/** All answers of all sessions, within bounds: the one that was not used for longest gives way. */
export class Shelf {
  readonly #bounds: Bounds;
  /** The one that was used last is last. */
  readonly #placed = new Set<Placed>();
  #bytes = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  get entries(): number {
    return this.#placed.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Counts bytes of an answer that is still coming in. False: there is no room for it, whatever gives way. */
  reserve(bytes: number): boolean {
    if (!this.#makeRoom(bytes, 0)) return false;
    this.#bytes += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
  }

  place(placed: Placed): boolean {
    if (!this.#makeRoom(placed.bytes, 1)) return false;
    this.#bytes += placed.bytes;
    this.#placed.add(placed);
    return true;
  }

  use(placed: Placed): void {
    this.#placed.delete(placed);
    this.#placed.add(placed);
  }

  remove(placed: Placed): void {
    if (this.#placed.delete(placed)) this.#bytes -= placed.bytes;
  }

  #makeRoom(bytes: number, entries: number): boolean {
    for (;;) {
      const fits =
        this.#bytes + bytes <= this.#bounds.bytes && this.#placed.size + entries <= this.#bounds.entries;
      if (fits) return true;
      const [oldest] = this.#placed;
      if (oldest === undefined) return false;
      oldest.drawer.drop(oldest.key);
    }
  }
}

/** The answers of one session. */
export class Drawer {
  readonly #shelf: Shelf;
  readonly #bounds: Bounds;
  /** The one that was used last is last. */
  readonly #placed = new Map<string, Placed>();
  #bytes = 0;

  constructor(shelf: Shelf, bounds: Bounds) {
    this.#shelf = shelf;
    this.#bounds = bounds;
  }

  /** One that may be used now. */
  find(key: string, now: Millis): Entry | undefined {
    const placed = this.#placed.get(key);
    if (placed === undefined) return undefined;
    const { entry } = placed;
    // By a clock that was set back nobody knows how old it is.
    if (now >= entry.staleAt || now < entry.storedAt) {
      this.drop(key);
      return undefined;
    }
    this.#placed.delete(key);
    this.#placed.set(key, placed);
    this.#shelf.use(placed);
    return entry;
  }

  /** Whether a body of that many bytes could be kept. */
  takes(bytes: number): boolean {
    return bytes + OVERHEAD <= this.#bounds.bytes;
  }

  put(key: string, entry: Entry): boolean {
    this.drop(key);
    const bytes = entry.fields.reduce((sum, text) => sum + text.length, entry.body.length + OVERHEAD);
    if (bytes > this.#bounds.bytes) return false;
    while (this.#placed.size >= this.#bounds.entries || this.#bytes + bytes > this.#bounds.bytes) {
      const [oldest] = this.#placed.keys();
      if (oldest === undefined) return false;
      this.drop(oldest);
    }
    const placed: Placed = { entry, key, bytes, drawer: this };
    if (!this.#shelf.place(placed)) return false;
    this.#placed.set(key, placed);
    this.#bytes += bytes;
    return true;
  }

  drop(key: string): void {
    const placed = this.#placed.get(key);
    if (placed === undefined) return;
    this.#placed.delete(key);
    this.#bytes -= placed.bytes;
    this.#shelf.remove(placed);
  }

  clear(): void {
    for (const key of [...this.#placed.keys()]) this.drop(key);
  }
}
