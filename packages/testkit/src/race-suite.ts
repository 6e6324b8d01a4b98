import assert from 'node:assert/strict';
import { type RaceCase, raceCases } from './race-cases.js';
import {
  LEAST_ACKNOWLEDGED,
  LEAST_OVERLAPPING,
  MUTANT_REVIVES,
  type RacePair,
  type RaceSize,
  raceRevivals,
  raceVisits,
} from './race-measures.js';

export { type RaceCase, raceCases } from './race-cases.js';
export { FULL_SIZE, type RacePair, type RaceSize, SHORT_SIZE } from './race-measures.js';
export { type RaceWorker, raceWorker, raceWorkerHere, raceWorkerIn } from './race-worker.js';

/** A wait of this length on the event loop, in ms, is told where a race has failed. */
const BLOCKING = 100;

/** What a test runner needs of a race. */
export interface RaceTest {
  readonly name: string;
  /** Rejects with an AssertionError where the store loses, repeats or revives something. */
  run(): Promise<void>;
}

export interface RaceOptions {
  /** As printed: `redis`, `redis cluster`. */
  readonly store: string;
  /** The two that race, asked for anew by each test: it may answer the same ones each time. They stay open. */
  pair(): Promise<RacePair>;
  readonly size: RaceSize;
  /** Takes the line with the numbers. */
  print(line: string): void;
}

/** The races for a store. None can be left out. */
export function raceSuite({ store, pair, size, print }: RaceOptions): readonly RaceTest[] {
  const [visits, revivals, ...others] = raceCases;
  return [
    {
      name: `${visits?.name}; and ${revivals?.name}`,
      async run() {
        const { line, harmed, advice } = await measured(await pair(), size);
        print(`races ${store}: ${line}`);
        assert(!harmed, `${line}${advice}`);
      },
    },
    ...others.map((one) => ({ name: one.name, run: async () => runRaceCase(one, await pair(), size) })),
  ];
}

/** Runs one race; does nothing where the store lacks the ability. Leaves the two as they were. */
export async function runRaceCase(one: RaceCase, { a, b }: RacePair, size: RaceSize): Promise<void> {
  const abilities = await a.abilities();
  if (!(one.abilities ?? []).every((ability) => abilities.includes(ability))) return;
  try {
    await one.run({ a, b }, size);
  } finally {
    await Promise.all([a.clear(), b.clear()]);
  }
}

/**
 * The main races over a store that upserts: one whose save looks at no version and no end. What a suite is worth that a wrong store passes, nobody could
 * tell; so this throws unless changes are lost and nearly all ended sessions live again.
 */
export async function raceUpserting({ store, pair, size, print }: RaceOptions): Promise<void> {
  const { a, b } = await pair();
  try {
    const { lost } = await raceVisits({ a, b }, size.visits);
    const revivals = await raceRevivals({ a, b }, size.revivals);
    const least = size.revivals * MUTANT_REVIVES;
    const line = `lost ${lost} (more than 0), revivals ${revivals} of ${size.revivals} (at least ${least})`;
    print(`races ${store}, upserting mutant: ${line}`);
    assert(lost > 0 && revivals >= least, line);
  } finally {
    await Promise.all([a.clear(), b.clear()]);
  }
}

async function measured(
  { a, b }: RacePair,
  size: RaceSize,
): Promise<{ line: string; harmed: boolean; advice: string }> {
  try {
    const { visits, acknowledged, overlapping, lost, conflicts, faults, stoodStill } = await raceVisits(
      { a, b },
      size.visits,
    );
    const revivals = await raceRevivals({ a, b }, size.revivals);
    const least = { acknowledged: visits * LEAST_ACKNOWLEDGED, overlapping: visits * LEAST_OVERLAPPING };
    const others = Object.entries(faults).map(([code, count]) => `, ${code} ${count}`);
    return {
      line:
        `visits ${visits}, acknowledged ${acknowledged} (at least ${least.acknowledged}), ` +
        `overlapping commits ${overlapping} (at least ${least.overlapping}), lost ${lost}, conflicts ${conflicts}, ` +
        `revivals ${revivals} of ${size.revivals}${others.join('')}`,
      harmed:
        acknowledged < least.acknowledged ||
        overlapping < least.overlapping ||
        lost > 0 ||
        conflicts > 0 ||
        revivals > 0,
      advice:
        stoodStill < BLOCKING
          ? ''
          : `; the event loop of a process stood still for ${stoodStill} ms: a backend that waits for a lock must not block it`,
    };
  } finally {
    await Promise.all([a.clear(), b.clear()]);
  }
}
