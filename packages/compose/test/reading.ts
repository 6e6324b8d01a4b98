import { join } from 'node:path';
import { formatProblems, type Reading, readConfig } from '../src/index.js';

export const home = import.meta.dirname;

/** What the environment of every test file holds. */
const variables = { PORT: '8080', WORD: 'eighty', YES: 'true', SECONDS: '120', SECRET: 'hunter2', EMPTY: '' };

/** Sources of the neighbours instead of their builds, as vitest itself resolves them. */
export const conditions = ['@sessionkit/source'];

/** Reads a file below this folder, or `text` as if it stood there. */
export function read(
  file: string,
  text?: string,
  more: Readonly<Record<string, string>> = {},
): Promise<Reading> {
  return readConfig({ file: join(home, file), text }, { variables: { ...variables, ...more }, conditions });
}

/** The printed form, with file names as they stand in their folder. */
export function printed(reading: Reading, file: string): string {
  const warnings = reading.warnings.length === 0 ? [] : [formatProblems(file, reading.warnings, 'warning')];
  const all = [...(reading.error === undefined ? [] : [reading.error.message]), ...warnings].join('\n\n');
  return `${all.replaceAll(join(home, file), file).replaceAll(`${home}/`, '')}\n`;
}
