import type { BackendMutant } from './backend-mutant-kit.js';
import { closingMutants } from './backend-mutants-closing.js';
import { endingMutants, touchingMutants } from './backend-mutants-ending.js';
import { journalMutants, presenceMutants } from './backend-mutants-journal.js';
import { listingMutants } from './backend-mutants-listing.js';
import { recordMutants } from './backend-mutants-records.js';
import { resurrectingMutants, savingMutants } from './backend-mutants-saving.js';
import { slotsMutants } from './backend-mutants-slots.js';
import { sweepingMutants } from './backend-mutants-sweeping.js';
import { watchingMutants } from './backend-mutants-watching.js';

export type { BackendMutant } from './backend-mutant-kit.js';

/** Ways to break the contract. Each is made from a sound backend that has every ability but fences. */
export const backendMutants: readonly BackendMutant[] = [
  ...savingMutants,
  ...resurrectingMutants,
  ...recordMutants,
  ...endingMutants,
  ...touchingMutants,
  ...closingMutants,
  ...listingMutants,
  ...sweepingMutants,
  ...watchingMutants,
  ...slotsMutants,
  ...journalMutants,
  ...presenceMutants,
];
