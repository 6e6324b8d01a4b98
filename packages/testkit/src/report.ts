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
/** Runs at a time: most of their time they wait. */
const LANES = 6;

/**
 * Runs cases over the unbroken subject, then over mutants of it. A case that throws, rejects or does not end within `timeout`
 * refuses what it was given. A mutant is caught by the first case that refuses it, and only a
 * case that has refused none by then is run over the mutants: pairs that tell nothing new are left out.
 *
 * @param run runs one case over one mutant; `undefined` is the unbroken subject. A case that does not apply just returns.
 * @param timeout for each run, in ms of real time; default 5,000.
 * @param lanes how many run at a time; default 6. One for runs that share something.
 */
export async function mutationMatrix<Case extends Named, Mutant extends Named>(
  cases: readonly Case[],
  mutants: readonly Mutant[],
  run: (one: Case, mutant: Mutant | undefined) => Promise<void> | void,
  timeout: Millis = TIMEOUT,
  lanes: number = LANES,
): Promise<MatrixReport> {
  const failures = new Map<Case, string>();
  await each(lanes, cases, async (one) => {
    const failure = await refusal(() => run(one, undefined), timeout);
    if (failure !== undefined) failures.set(one, failure);
  });
  const failing = cases.filter((one) => failures.has(one)).map((one) => `${one.name}: ${failures.get(one)}`);
  const sound = cases.filter((one) => !failures.has(one));

  const proved = new Set<Case>();
  const caught = new Set<Mutant>();
  /** Mutants and cases stand in much the same order: the next one is likely refused near the last one. */
  const search = async <Of, By>(
    all: readonly Of[],
    by: readonly By[],
    refuses: (of: Of, by: By) => Promise<boolean>,
  ) => {
    let last = 0;
    await each(lanes, all, async (of) => {
      const start = last;
      for (let i = 0; i < by.length; i++) {
        const at = (start + i) % by.length;
        if (!(await refuses(of, by[at] as By))) continue;
        last = at;
        return;
      }
    });
  };
  const refuses = async (one: Case, mutant: Mutant) => {
    if ((await refusal(() => run(one, mutant), timeout)) === undefined) return false;
    proved.add(one);
    caught.add(mutant);
    return true;
  };
  await search(mutants, sound, (mutant, one) => refuses(one, mutant));
  const unproved = sound.filter((one) => !proved.has(one));
  await search(unproved, mutants, async (one, mutant) => proved.has(one) || refuses(one, mutant));
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

/** Works through a list, some at a time. */
async function each<T>(lanes: number, list: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = list.values();
  const lane = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
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
