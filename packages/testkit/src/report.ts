import type { Millis } from '@sessionkit/session-core';

/** A case or a mutant: its name is what a report shows. */
export interface Named {
  readonly name: string;
}

/** What a suite is worth, told by subjects that are broken on purpose. */
export interface MatrixReport {
  readonly cases: number;
  readonly mutants: number;
  /** Mutants that at least one case refuses. */
  readonly caught: number;
  /** Names of the mutants that pass every case: the suite has a hole there. */
  readonly uncaught: readonly string[];
  /** Names of the cases that no mutant fails: nothing shows that they can fail. */
  readonly casesWithoutMutant: readonly string[];
  /** Names of the cases that fail on the unbroken subject, with what they said. A case that fails anyway catches nothing. */
  readonly failing: readonly string[];
}

const TIMEOUT: Millis = 5_000;

/**
 * Runs cases over the unbroken subject, then over mutants of it. A case that throws, rejects or does not end within `timeout`
 * refuses what it was given. A pair that could tell nothing new (the case has its mutant, the mutant is caught) is left out.
 *
 * @param run runs one case over one mutant; `undefined` is the unbroken subject. A case that does not apply just returns.
 * @param timeout for each run, in ms of real time; default 5,000.
 */
export async function mutationMatrix<Case extends Named, Mutant extends Named>(
  cases: readonly Case[],
  mutants: readonly Mutant[],
  run: (one: Case, mutant: Mutant | undefined) => Promise<void> | void,
  timeout: Millis = TIMEOUT,
): Promise<MatrixReport> {
  const failing: string[] = [];
  const sound: Case[] = [];
  for (const one of cases) {
    const failure = await refusal(() => run(one, undefined), timeout);
    if (failure === undefined) sound.push(one);
    else failing.push(`${one.name}: ${failure}`);
  }

  const proved = new Set<Case>();
  const caught = new Set<Mutant>();
  for (const mutant of mutants) {
    for (const one of sound) {
      if (proved.has(one) && caught.has(mutant)) continue;
      if ((await refusal(() => run(one, mutant), timeout)) === undefined) continue;
      proved.add(one);
      caught.add(mutant);
    }
  }
  const name = (each: Named) => each.name;
  return {
    cases: cases.length,
    mutants: mutants.length,
    caught: caught.size,
    uncaught: mutants.filter((mutant) => !caught.has(mutant)).map(name),
    casesWithoutMutant: cases.filter((one) => !proved.has(one)).map(name),
    failing,
  };
}

/** Adds reports of different suites up. */
export function joinReports(reports: readonly MatrixReport[]): MatrixReport {
  const sum = (pick: (report: MatrixReport) => number) =>
    reports.reduce((total, report) => total + pick(report), 0);
  return {
    cases: sum((report) => report.cases),
    mutants: sum((report) => report.mutants),
    caught: sum((report) => report.caught),
    uncaught: reports.flatMap((report) => report.uncaught),
    casesWithoutMutant: reports.flatMap((report) => report.casesWithoutMutant),
    failing: reports.flatMap((report) => report.failing),
  };
}

/** `kit: 40 cases, 44 mutants, 44 caught, 0 cases without a mutant`. */
export function reportLine(report: MatrixReport): string {
  const { cases, mutants, caught, casesWithoutMutant } = report;
  return `kit: ${cases} cases, ${mutants} mutants, ${caught} caught, ${casesWithoutMutant.length} cases without a mutant`;
}

/** What a run threw, or that it did not end; undefined when it passed. */
async function refusal(run: () => Promise<void> | void, timeout: Millis): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`did not end within ${timeout} ms`)), timeout);
  });
  try {
    await Promise.race([(async () => run())(), late]);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
  }
}
