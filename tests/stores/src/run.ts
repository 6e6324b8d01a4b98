import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

/** Whether this is `npm run test:long`: full counts, and bounds of time as they are promised. */
export const LONG = process.env.SESSIONKIT_LONG === '1';

/** Puts a line, or several, into the summary of `npm test`; shows it where nobody sums up. */
export function print(line: string): void {
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder === undefined) console.log(line);
  else appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
}

/** The runs that are due, by name. Those in `later` are run by `npm run test:long` only. */
export function due<Name extends string, Run>(
  runs: Readonly<Record<Name, Run>>,
  later: readonly NoInfer<Name>[],
): [name: string, run: Run][] {
  const waits = new Set<string>(LONG ? [] : later);
  return Object.entries<Run>(runs).filter(([name]) => !waits.has(name));
}
