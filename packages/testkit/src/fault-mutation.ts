import { can, type Millis } from '@sessionkit/session-core';
import { type FaultCase, pause } from './fault-kit.js';
import { type FaultMutant, faultMutants } from './fault-mutants.js';
import { faultCases, runFaultCase } from './fault-suite.js';
import type { StoreHarness } from './store-harness.js';

/** So many mutants are tried side by side, each with a store of its own. */
const ABREAST = 4;
const TRIES = 3;
const DEADLINE: Millis = 2_000;
const ENDS_WITHIN: Millis = 40_000;

export interface FaultMutationReport {
  /** Mutants that a case of this store is for. */
  readonly mutants: number;
  /** Those that are refused for what they do. */
  readonly caught: number;
  /** Where a mutant was not refused, or for another reason: its name, the case and what it said. */
  readonly uncaught: readonly string[];
  /** Names of the cases without a mutant: nothing shows that they can fail. */
  readonly casesWithoutMutant: readonly string[];
}

/**
 * Runs each mutant through the cases that must refuse it, on stores of this harness. In a process of its own: one of the mutants leaves a rejected promise
 * behind, which other listeners would take for a fault of the tests.
 *
 * @param only picks cases by their names; all by default.
 */
export async function faultMutation(
  harness: StoreHarness,
  { only = () => true }: { readonly only?: ((name: string) => boolean) | undefined } = {},
): Promise<FaultMutationReport> {
  const { cases: all, late } = await casesOf(harness);
  const cases = all.filter(({ name }) => only(name));
  const mutants = faultMutants.filter(({ unlessLate }) => !(late && unlessLate === true));
  const tries = mutants.flatMap((mutant) =>
    mutant.refusedBy.flatMap(([name, says]) =>
      cases.filter((one) => one.name.startsWith(name)).map((one) => ({ mutant, one, says })),
    ),
  );
  const uncaught: string[] = [];
  const attempt = async ({ mutant, one, says }: (typeof tries)[number]) => {
    let said: string | undefined;
    // On a busy machine a case may refuse it first for an answer that was late.
    for (let tries = TRIES; tries > 0; tries--) {
      said = await refusalOf(mutant, one, harness);
      if (said !== undefined && says.test(said)) return;
    }
    uncaught.push(`${mutant.name} / ${one.name}: ${said}`);
  };
  const waiting = tries.filter(({ mutant }) => mutant.alone !== true);
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await attempt(next);
  };
  await Promise.all(Array.from({ length: ABREAST }, worker));
  for (const each of tries) if (each.mutant.alone === true) await attempt(each);
  const tried = new Set(tries.map(({ mutant }) => mutant.name));
  const missed = new Set(uncaught.map((line) => line.slice(0, line.indexOf(' / '))));
  return {
    mutants: tried.size,
    caught: tried.size - missed.size,
    uncaught,
    casesWithoutMutant: cases
      .filter((each) => !tries.some(({ one }) => one === each))
      .map(({ name }) => name),
  };
}

/** The cases that apply, and whether a write may arrive late. */
async function casesOf(
  harness: StoreHarness,
): Promise<{ readonly cases: readonly FaultCase[]; readonly late: boolean }> {
  const store = await harness.start();
  try {
    const backend = await store.connect();
    const fits = ({ ability, applies, ownStore }: FaultCase) =>
      ownStore !== true &&
      (ability === undefined || can(backend, ability)) &&
      (applies?.(harness, store) ?? true);
    const cases = faultCases.filter(fits);
    await backend.close();
    return { cases, late: backend.traits.lateWrites };
  } finally {
    await store.stop();
  }
}

/** What the case says of the mutant; undefined when it finds nothing wrong. */
async function refusalOf(mutant: FaultMutant, one: FaultCase, harness: StoreHarness) {
  const store = await mutant.breaks(harness).start();
  try {
    const run = runFaultCase(one, store, { deadline: DEADLINE, full: true }).then(() => undefined);
    return await Promise.race([run, pause(ENDS_WITHIN).then(() => `had not ended after ${ENDS_WITHIN} ms`)]);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await store.stop();
  }
}
