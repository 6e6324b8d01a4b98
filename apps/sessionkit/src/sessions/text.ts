import stringWidth from 'string-width';

/** Anything that moves the cursor, changes a terminal or turns the direction of text: a client chooses names that an operator looks at. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Text from the API, fit for a terminal and for one line. */
export function plain(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return text.replace(UNSAFE, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

/** Rows below their headings, each column as wide as its widest cell so far: rows that come later may be wider. */
export class Table {
  readonly #widths: number[];
  readonly #headings: readonly string[];
  #begun = false;

  constructor(headings: readonly string[]) {
    this.#headings = headings;
    this.#widths = headings.map((heading) => stringWidth(heading));
  }

  /** The text of further rows, with the headings before the first ones. */
  add(rows: readonly (readonly string[])[]): string {
    for (const row of rows) {
      for (const [i, cell] of row.entries())
        this.#widths[i] = Math.max(this.#widths[i] ?? 0, stringWidth(cell));
    }
    const shown = this.#begun ? rows : [this.#headings, ...rows];
    this.#begun = true;
    return shown.map((row) => this.#line(row)).join('');
  }

  #line(row: readonly string[]): string {
    const cells = row.map(
      (cell, i) => cell + ' '.repeat(Math.max(0, (this.#widths[i] ?? 0) - stringWidth(cell))),
    );
    return `${cells.join('  ').trimEnd()}\n`;
  }
}

/** A span as people write it: `59.6 s`, `12 min`, `3 h 5 min`, `4 d 2 h`. */
export function span(seconds: unknown): string {
  if (typeof seconds !== 'number') return '';
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** An HTTP date in ISO 8601, to the second; what is none as it is. */
export function instant(value: unknown): string {
  const time = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? plain(value ?? '') : new Date(time).toISOString().replace('.000Z', 'Z');
}

/** Every single value in `value`, with the path to it: `client.cipher`, `connections.0.server`. */
export function* leaves(value: unknown, path: string): Generator<readonly [path: string, value: unknown]> {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  if (entries.length === 0) {
    const nothing = typeof value === 'object';
    yield [path, nothing ? '-' : value];
    return;
  }
  for (const [name, member] of entries) yield* leaves(member, path === '' ? name : `${path}.${name}`);
}
