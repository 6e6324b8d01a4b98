import { type HostileHarness, hostileLine, hostileSuite } from '@sessionkit/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { due, LONG, print } from './run.js';

const WITHIN = 300_000;

/** Which of the runs wait, and how much a short run does. */
interface Extent<Name> {
  /** Names of the runs that `npm run test:long` makes only: what they show beyond the others is little, and each takes its time. */
  readonly later?: readonly Name[] | undefined;
  /** Steps of the random run. Default 200, 2,000 in the long run. */
  readonly steps?: number | undefined;
}

/** The suite of hostile values over each of these, by the name that its line in the summary has. */
export async function hostileOn<Name extends string>(
  runs: Readonly<Record<Name, HostileHarness>>,
  { later = [], steps = LONG ? 2_000 : 200 }: Extent<NoInfer<Name>> = {},
): Promise<void> {
  for (const [name, harness] of due(runs, later)) {
    const { tests, tally } = await hostileSuite(harness, { steps, seed: name.length });

    describe(`${name}: hostile values are kept or refused, and harm nobody`, () => {
      for (const one of tests) it(one.name, one.run, WITHIN);

      afterAll(() => {
        expect(tally.changed).toBe(0);
        print(hostileLine(name, tally));
      });
    });
  }
}
