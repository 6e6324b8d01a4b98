import type { Backend } from '@sessionkit/session-core';
import { type Address, raceWorker } from '@sessionkit/testkit';
import type { RaceMutants } from './race-mutants.js';

/** Arguments of the program that each of two racing processes runs: see {@link raceProcess}. */
export function raceArguments(store: string, addresses: readonly Address[], mutant?: string): string[] {
  return [store, JSON.stringify(addresses), ...(mutant === undefined ? [] : [mutant])];
}

/**
 * The whole of that program.
 *
 * @param ways How a backend is made for each store, by the name of its harness.
 */
export async function raceProcess<Name extends string>(
  ways: Readonly<Record<string, (addresses: readonly Address[]) => Promise<Backend>>>,
  mutants: RaceMutants<Name>,
): Promise<void> {
  await raceWorker(async ([store = '', addresses = '[]', asked]) => {
    const at = JSON.parse(addresses) as Address[];
    const mutant = mutants.names.find((name) => name === asked);
    if (mutant !== undefined) return mutants.make(mutant, at);
    const connect = ways[store];
    if (asked !== undefined || connect === undefined) throw new Error(`there is no ${asked ?? store}`);
    return connect(at);
  });
}
