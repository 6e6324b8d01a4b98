import type { FilterCase } from './filter-kit.js';
import { passingCases } from './filter-passing.js';
import type { FilterKit } from './filter-rig.js';
import { sessionCases } from './filter-sessions.js';
import { tellingCases } from './filter-telling.js';

export type { FilterCase } from './filter-kit.js';
export { type FilterMutant, filterMutants } from './filter-mutants.js';
export type { FilterKit } from './filter-rig.js';

/** The contract of a filter, sentence by sentence. */
export const filterCases: readonly FilterCase[] = [...tellingCases, ...passingCases, ...sessionCases];

/** The cases for this filter. There is no way to leave one out. */
export function filterSuite(kit: FilterKit): readonly { readonly name: string; run(): Promise<void> }[] {
  return filterCases.map(({ name, run }) => ({ name, run: () => run(kit) }));
}
