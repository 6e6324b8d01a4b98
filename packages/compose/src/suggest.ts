/** Edits (insert, remove, replace, swap of neighbours) from `a` to `b`: optimal string alignment. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

const plain = (word: string) => word.toLowerCase().replaceAll(/[-_ ]/g, '');

/** The known word that `word` most likely stands for. Case, `-` and `_` do not count. */
export function closest(word: string, known: readonly string[]): string | undefined {
  // Longer is no typing error, and the comparison costs the product of the lengths.
  if (word.length > 64) return undefined;
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const edits = distance(plain(word), plain(candidate));
    if (edits < least && edits <= Math.max(1, Math.floor(candidate.length / 3))) {
      best = candidate;
      least = edits;
    }
  }
  return best;
}

/** `did you mean "x"?`, or the list of what is known. */
export function didYouMean(word: string, known: readonly string[], what: string): string {
  const candidate = closest(word, known);
  if (candidate !== undefined) return `did you mean ${JSON.stringify(candidate)}?`;
  return known.length === 0 ? `there are no ${what}` : `the ${what} are ${known.join(', ')}`;
}
