import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { filterSuite, joinReports, type MatrixReport, reportLine } from '@sessionkit/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backendMatrix, hostileMatrix } from './backends.js';
import { filterMatrix } from './filters.js';
import { transportMatrix } from './transports.js';

/** The suites, each with what runs it over its mutants. */
const suites: Record<string, () => Promise<MatrixReport>> = {
  backends: backendMatrix,
  filters: filterMatrix,
  'hostile values': hostileMatrix,
  transports: transportMatrix,
};

const reports: MatrixReport[] = [];

describe.each(Object.entries(suites))('the suite of %s', (_, run) => {
  let report: MatrixReport;

  beforeAll(async () => {
    report = await run();
    reports.push(report);
  }, 240_000);

  it('passes over what is not broken', () => {
    expect(report.failing).toEqual([]);
  });

  it('catches every mutant', () => {
    expect(report.uncaught).toEqual([]);
    expect(report.caught).toBe(report.mutants);
  });

  it('has a mutant for every case, so that each is seen to fail', () => {
    expect(report.casesWithoutMutant).toEqual([]);
  });
});

describe('a filter whose `open` is still to be written', () => {
  const open = () => {
    throw new Error('write me: open');
  };
  const cases = filterSuite({ create: () => ({ type: 'new', open }) });

  // Well below the 8 s that a case waits for what does not come.
  it.each(cases)(
    'is told so at once: $name',
    ({ run }) => expect(run()).rejects.toThrow('write me: open'),
    4_000,
  );
});

afterAll(() => {
  const line = reportLine(joinReports(reports));
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder === undefined) console.log(line);
  else appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
});
