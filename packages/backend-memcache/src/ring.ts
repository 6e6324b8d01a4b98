import { createHash } from 'node:crypto';

/** Points of each server: with so many the largest share of three servers is a tenth above the smallest. */
const POINTS = 160;

/**
 * Chooses a server for each key by consistent hashing: with one server more, only its share of the keys moves. A server that is away keeps its keys: they are
 * nowhere meanwhile. Were they given to another one, sessions that ended there would live again when it is back.
 */
export class Ring<T extends { readonly name: string }> {
  readonly members: readonly T[];
  readonly #points: readonly (readonly [at: number, member: T])[];

  /** @param members in any order: names alone decide. */
  constructor(members: readonly T[]) {
    this.members = members;
    this.#points = members
      .flatMap((member) =>
        Array.from({ length: POINTS }, (_, n) => [placeOf(`${member.name}-${n}`), member] as const),
      )
      .sort(([x, { name: a }], [y, { name: b }]) => x - y || (a < b ? -1 : 1));
  }

  of(key: string): T {
    const [first] = this.members;
    if (this.members.length === 1) return first as T;
    const at = placeOf(key);
    let [low, high] = [0, this.#points.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#points[middle]?.[0] ?? 0) < at) low = middle + 1;
      else high = middle;
    }
    return (this.#points[low] ?? this.#points[0])?.[1] as T;
  }
}

function placeOf(text: string): number {
  return createHash('md5').update(text).digest().readUInt32BE(0);
}
