import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { nextMessage, startProgram } from '@sessionkit/test-stores/program';
import type { FaultMutationReport } from '@sessionkit/testkit';
import { expect, it } from 'vitest';
import { single } from './store-harness.js';

it('the fault suite refuses every backend that is broken on purpose, and each of its cases refuses one', async () => {
  const program = await startProgram(join(import.meta.dirname, 'faults-mutants-process.ts'));
  const report = (await nextMessage(program)) as FaultMutationReport;
  expect(report).toMatchObject({ uncaught: [], casesWithoutMutant: [] });
  expect(report.caught).toBe(report.mutants);
  const line = `faults ${single.name}: ${report.mutants} mutants, ${report.caught} caught, ${report.casesWithoutMutant.length} cases without a mutant`;
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder === undefined) console.log(line);
  else appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
}, 300_000);
