import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

/** A line of the summary of `npm test`. */
export function report(line: string): void {
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder === undefined) console.log(line);
  else appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
}
