import { can } from '@sessionkit/session-core';
import { closingCases } from './backend-closing.js';
import { endingCases } from './backend-ending.js';
import { journalCases } from './backend-journal.js';
import { type BackendCase, type BackendHarness, BackendKit, type OpenBackend } from './backend-kit.js';
import { listingCases } from './backend-listing.js';
import { presenceCases } from './backend-presence.js';
import { recordCases } from './backend-records.js';
import { savingCases } from './backend-saving.js';
import { slotsCases } from './backend-slots.js';
import { sweepingCases } from './backend-sweeping.js';
import { touchingCases } from './backend-touching.js';
import { watchingCases } from './backend-watching.js';

export { type BackendCase, type BackendHarness, BackendKit, type OpenBackend } from './backend-kit.js';
export { type Alteration, altered } from './backend-mutant-kit.js';
export { type BackendMutant, backendMutants } from './backend-mutants.js';

/** The contract of a backend, sentence by sentence. */
export const backendCases: readonly BackendCase[] = [
  ...savingCases,
  ...recordCases,
  ...endingCases,
  ...touchingCases,
  ...closingCases,
  ...listingCases,
  ...sweepingCases,
  ...watchingCases,
  ...slotsCases,
  ...journalCases,
  ...presenceCases,
];

/** A case bound to a backend: what a test runner needs. */
export interface BackendTest {
  readonly name: string;
  /** Opens, runs the case and closes; rejects with an AssertionError where the contract is broken. */
  run(): Promise<void>;
}

/**
 * The cases for this backend: all that apply by the methods it has. There is no way to leave one out. Opens it once to look.
 */
export async function backendSuite(harness: BackendHarness): Promise<readonly BackendTest[]> {
  const opened = await harness.open();
  try {
    return backendCases
      .filter((one) => appliesTo(one, opened))
      .map((one) => ({ name: one.name, run: () => runBackendCase(one, harness) }));
  } finally {
    await opened.close();
  }
}

/** Runs one case over a newly opened store; does nothing when it does not apply. */
export async function runBackendCase(one: BackendCase, harness: BackendHarness): Promise<void> {
  const opened = await harness.open();
  try {
    if (appliesTo(one, opened)) await one.run(new BackendKit(opened));
  } finally {
    await opened.close();
  }
}

function appliesTo(one: BackendCase, opened: OpenBackend): boolean {
  return (one.ability === undefined || can(opened.a, one.ability)) && (one.applies?.(opened) ?? true);
}
