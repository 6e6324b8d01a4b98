import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { blocksOf, documents } from '../src/blocks.js';
import { runDocument } from '../src/document.js';
import { runsElsewhere } from '../src/elsewhere.js';
import { startStores } from '../src/stores.js';
import { complaintsOf } from '../src/types.js';

const found = documents().filter((path) => blocksOf(path).length > 0);
const blocks = found.flatMap((path) => blocksOf(path));
const complaints = complaintsOf(blocks);
const { env, stop } = await startStores();
afterAll(stop);
let run = 0;

test.each(found)(
  'every code block of %s runs, and prints what is shown',
  async (path) => {
    run += await runDocument(path, { env, complaints });
  },
  120_000,
);

test('no block is left out', () => {
  const beside = blocks.filter(runsElsewhere).length;
  const line = `blocks: ${blocks.length} found, ${run} run, ${blocks.length - run} skipped (${found.length} documents; ${beside} blocks by the tests beside them)\n`;
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder === undefined) console.log(line.trimEnd());
  else appendFileSync(join(folder, 'summary.txt'), line);
  expect(run).toBe(blocks.length);
});
