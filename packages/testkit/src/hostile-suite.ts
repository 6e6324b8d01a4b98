import { can } from '@sessionkit/session-core';
import type { BackendTest } from './backend-suite.js';
import { damageCases } from './hostile-damage.js';
import { dataCases } from './hostile-data.js';
import { fuzzCases } from './hostile-fuzz.js';
import {
  type HostileCase,
  type HostileHarness,
  HostileKit,
  type HostileTally,
  type OpenHostile,
} from './hostile-kit.js';
import { nameCases } from './hostile-names.js';
import { serviceCases } from './hostile-service.js';

export type { Damage, HostileCase, HostileHarness, HostileTally, OpenHostile } from './hostile-kit.js';
export { hostileMutants } from './hostile-mutants.js';

/** What a store makes of values that mean something elsewhere: kept byte for byte or refused, and never somebody else's. */
export const hostileCases: readonly HostileCase[] = [
  ...nameCases,
  ...dataCases,
  ...damageCases,
  ...serviceCases,
  ...fuzzCases,
];

export interface HostileOptions {
  /** Steps of the random run. Default 200. */
  readonly steps?: number | undefined;
  /** The random run is the same for the same seed. Default 1. */
  readonly seed?: number | undefined;
}

export interface HostileSuite {
  readonly tests: readonly BackendTest[];
  /** Adds up while the tests run. */
  readonly tally: HostileTally;
}

/** The cases for this backend: all that apply by the methods it has, and by whether what it stores can be damaged. Opens it once to look. */
export async function hostileSuite(
  harness: HostileHarness,
  options: HostileOptions = {},
): Promise<HostileSuite> {
  const tally: HostileTally = { values: 0, kept: 0, refused: 0, changed: 0, damaged: 0, random: 0 };
  const opened = await harness.open();
  try {
    const tests = hostileCases
      .filter((one) => appliesTo(one, opened))
      .map((one) => ({ name: one.name, run: () => runHostileCase(one, harness, options, tally) }));
    return { tests, tally };
  } finally {
    await opened.close();
  }
}

/** Runs one case over a newly opened store; does nothing when it does not apply. */
export async function runHostileCase(
  one: HostileCase,
  harness: HostileHarness,
  { steps = 200, seed = 1 }: HostileOptions = {},
  tally: HostileTally = { values: 0, kept: 0, refused: 0, changed: 0, damaged: 0, random: 0 },
): Promise<void> {
  const opened = await harness.open();
  try {
    if (appliesTo(one, opened)) await one.run(new HostileKit(opened, tally, steps, seed));
  } finally {
    await opened.close();
  }
}

function appliesTo(one: HostileCase, opened: OpenHostile): boolean {
  return (one.ability === undefined || can(opened.a, one.ability)) && (one.applies?.(opened) ?? true);
}

/** `hostile redis: 900 values, 850 kept, 50 refused, 0 changed; 160 damaged rows read beside sound ones; 200 random steps`. */
export function hostileLine(name: string, tally: HostileTally): string {
  const { values, kept, refused, changed, damaged, random } = tally;
  return `hostile ${name}: ${values} values, ${kept} kept, ${refused} refused, ${changed} changed; ${damaged} corrupt or foreign rows, each beside sound ones; ${random} random steps`;
}
