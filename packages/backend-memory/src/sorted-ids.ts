import type { SessionId } from '@sessionkit/session-core';

const CHUNK = 1024;

/**
 * Ids in ascending order, in chunks of at most 1,024. Adding and deleting cost a search and a move inside one chunk,
 * beginning anywhere costs a search. Ids arrive nearly in order, so that chunks are filled to the end.
 */
export class SortedIds {
  readonly #chunks: SessionId[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** False when it was there. */
  add(id: SessionId): boolean {
    const last = this.#chunks.length - 1;
    const at = Math.min(this.#chunkOf(id), last);
    const chunk = this.#chunks[at];
    if (chunk === undefined) {
      this.#chunks.push([id]);
    } else {
      const place = placeIn(chunk, id);
      if (chunk[place] === id) return false;
      if (chunk.length < CHUNK) chunk.splice(place, 0, id);
      else if (at === last && place === CHUNK) this.#chunks.push([id]);
      else {
        const upper = chunk.splice(CHUNK / 2);
        this.#chunks.splice(at + 1, 0, upper);
        if (place <= CHUNK / 2) chunk.splice(place, 0, id);
        else upper.splice(place - CHUNK / 2, 0, id);
      }
    }
    this.#size++;
    return true;
  }

  /** False when it was not there. */
  delete(id: SessionId): boolean {
    const at = this.#chunkOf(id);
    const chunk = this.#chunks[at];
    if (chunk === undefined) return false;
    const place = placeIn(chunk, id);
    if (chunk[place] !== id) return false;
    chunk.splice(place, 1);
    this.#size--;
    const next = this.#chunks[at + 1];
    if (chunk.length === 0) this.#chunks.splice(at, 1);
    else if (next !== undefined && chunk.length + next.length <= CHUNK / 2) {
      chunk.push(...next);
      this.#chunks.splice(at + 1, 1);
    }
    return true;
  }

  first(): SessionId | undefined {
    return this.#chunks[0]?.[0];
  }

  /** The ids from `from` on, itself included. Nothing may be added or deleted until the iteration is left. */
  *from(from: string): Generator<SessionId, undefined> {
    let place: number | undefined;
    for (let at = this.#chunkOf(from); at < this.#chunks.length; at++) {
      const chunk = this.#chunks[at] ?? [];
      for (let i = place ?? placeIn(chunk, from); i < chunk.length; i++) yield chunk[i] as SessionId;
      place = 0;
    }
    return undefined;
  }

  /** How many ids are smaller than `id`. */
  rank(id: string): number {
    const at = this.#chunkOf(id);
    let below = 0;
    for (let i = 0; i < at; i++) below += this.#chunks[i]?.length ?? 0;
    return below + placeIn(this.#chunks[at] ?? [], id);
  }

  /** The first chunk whose last id is not smaller than `id`; the number of chunks when there is none. */
  #chunkOf(id: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#chunks[middle]?.at(-1) ?? '') < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Where `id` stands in a chunk or would have to. */
function placeIn(chunk: readonly SessionId[], id: string): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((chunk[middle] ?? '') < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
