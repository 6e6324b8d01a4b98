import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { blocksOf, documents } from '../src/blocks.js';
import { runDocument } from '../src/document.js';
import { NOT_YET } from '../src/elsewhere.js';
import { startStores } from '../src/stores.js';
import { AROUND } from '../src/surroundings.js';

const blocksIn = (paths: readonly string[]) => paths.reduce((sum, path) => sum + blocksOf(path).length, 0);
const withBlocks = documents().filter((path) => blocksOf(path).length > 0);
/** A short run has the first page and the guides; the examples of packages are also run by the tests beside them. */
const now = (path: string) =>
  process.env.SESSIONKIT_LONG === '1' || path === 'README.md' || path.startsWith('docs/');
const found = withBlocks.filter((path) => now(path) && !NOT_YET.includes(path));
const later = withBlocks.filter((path) => !now(path) && !NOT_YET.includes(path));
let run = 0;
const stores = await startStores();
afterAll(() => stores.stop());

test.each(found)(
  'every code block of %s runs, and prints what is shown',
  async (path) => {
    run += await runDocument(path, { env: stores.envOf(path), around: AROUND });
  },
  120_000,
);

test('no block is left out', () => {
  const all = blocksIn(found);
  const rest = `${blocksIn(NOT_YET)} more in ${NOT_YET.length} documents are not run here`;
  const long = `${blocksIn(later)} in ${later.length} by the long run`;
  const line = `blocks: ${all} found, ${run} run, ${all - run} skipped (${found.length} documents; ${long}; ${rest})\n`;
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder === undefined) console.log(line.trimEnd());
  else appendFileSync(join(folder, 'summary.txt'), line);
  expect(run).toBe(all);
  expect(withBlocks).toEqual(expect.arrayContaining([...NOT_YET]));
});
