import {
  type FaultMutationReport,
  type FaultOptions,
  faultSuite,
  type StoreHarness,
} from '@sessionkit/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { nextMessage, startProgram } from './program.js';
import { LONG, print } from './run.js';

interface Faults extends Omit<FaultOptions, 'full'> {
  /** Ends a case that hangs, ms. Default 120,000. */
  readonly within?: number | undefined;
  /** Picks cases by their names. Default: all. */
  readonly only?: ((name: string) => boolean) | undefined;
}

/** The suite of faults over such a store, in full in a long run, and its lines for the summary. */
export async function faultsOn(
  harness: StoreHarness,
  { within = 120_000, only = () => true, ...options }: Faults = {},
): Promise<void> {
  const suite = await faultSuite(harness, { full: LONG, ...options });

  describe(`${harness.name} under faults`, () => {
    for (const { name, run } of suite.cases) if (only(name)) it(name, run, within);

    afterAll(async () => {
      await suite.close();
      print(suite.report().join('\n'));
    }, within);
  });
}

/** The same suite over backends that are broken on purpose. @param program Sends what `faultMutation` answers, and ends. */
export function faultMutantsOn({ name }: StoreHarness, program: string): void {
  it('the fault suite refuses every backend that is broken on purpose, and each of its cases refuses one', async () => {
    const report = (await nextMessage(await startProgram(program))) as FaultMutationReport;
    expect(report).toMatchObject({ uncaught: [], casesWithoutMutant: [] });
    expect(report.caught).toBe(report.mutants);
    print(
      `faults ${name}: ${report.mutants} mutants, ${report.caught} caught, ${report.casesWithoutMutant.length} cases without a mutant`,
    );
  }, 300_000);
}
