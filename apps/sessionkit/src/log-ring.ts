import type { LogLine } from '@sessionkit/admin-api';
import type { LogLevel } from '@sessionkit/session-core';
import { masked } from './masked.js';

const LINES = 1_000;
const LONGEST = 2_000;
/** Looked through for credentials, so that none is cut in two. */
const LOOKED_AT = 4 * LONGEST;

/** The newest lines of the process log, for operators. */
export class LogRing {
  readonly #lines: LogLine[] = [];
  #last = 0;

  add(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>): void {
    const { err, service, session } = fields;
    const cause = err instanceof Error ? ` (${err.message})` : '';
    this.#lines.push({
      id: ++this.#last,
      at: Date.now(),
      level,
      message: masked(`${message}${cause}`.slice(0, LOOKED_AT)).slice(0, LONGEST),
      ...(typeof service === 'string' && { service }),
      ...(typeof session === 'string' && { session }),
    });
    if (this.#lines.length > LINES) this.#lines.shift();
  }

  /** The newest `limit` lines whose id is less than `before`, oldest first. */
  read(limit: number, before = Number.POSITIVE_INFINITY): readonly LogLine[] {
    const older = this.#lines.filter(({ id }) => id < before);
    return older.slice(-limit);
  }
}
