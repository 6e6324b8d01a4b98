import { log } from '@sessionkit/filter-log';
import { filterCases, filterMutants, type MatrixReport, mutationMatrix } from '@sessionkit/testkit';

/** A case sends hundreds of requests. */
const TIMEOUT = 20_000;

/** The filter suite over the filter that does least, and over mutants of it. */
export function filterMatrix(): Promise<MatrixReport> {
  return mutationMatrix(
    filterCases,
    filterMutants,
    (one, mutant) =>
      one.run({
        create: (environment) => (mutant === undefined ? log() : mutant.breaks(log(), environment)),
      }),
    TIMEOUT,
  );
}
