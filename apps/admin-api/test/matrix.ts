import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { mutationMatrix } from '@sessionkit/testkit';
import { expect } from 'vitest';
import type { ApiCase } from './feed-cases.js';
import type { ApiMutant } from './feed-mutants.js';
import { type Fixture, fixture } from './fixture.js';

/** Longest run of a case over a mutant, in ms: a broken API may not answer. */
const LONGEST = 5_000;

/** Runs cases over the API and over mutants of it, one at a time: what is published is published in the whole process. */
export async function matrix(
  what: string,
  cases: readonly ApiCase[],
  mutants: readonly ApiMutant[],
): Promise<void> {
  let turn: Promise<unknown> = Promise.resolve();
  const report = await mutationMatrix(
    cases,
    mutants,
    (one, mutant) => {
      const run = turn.then(() => limited(one, mutant));
      turn = run.catch(() => undefined);
      return run;
    },
    120_000,
  );
  expect(report.failing).toEqual([]);
  expect(report.uncaught).toEqual([]);
  expect(report.casesWithoutMutant).toEqual([]);
  const line = `${what}: ${report.cases} cases, ${report.mutants} mutants, ${report.caught} caught`;
  console.log(line);
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder) appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
}

async function limited(one: ApiCase, mutant: ApiMutant | undefined): Promise<void> {
  const all: Fixture[] = [];
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${LONGEST} ms`)), LONGEST);
  });
  const run = one.run(async (...given) => {
    const made = await fixture(...given);
    all.push(made);
    mutant?.breaks(made);
    return made;
  });
  try {
    await Promise.race([run, late]);
  } finally {
    clearTimeout(timer);
    // Readers that are left would listen to all that comes after.
    for (const { api } of all) api.endStreams?.();
  }
}
