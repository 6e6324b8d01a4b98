import type { FilterKit } from './filter-rig.js';

/** One sentence of the contract, and the code that throws when a filter breaks it. */
export interface FilterCase {
  readonly name: string;
  run(kit: FilterKit): Promise<void>;
}

/** An answer that whoever may keep answers may keep. */
export const KEPT = { 'Cache-Control': 'private, max-age=600' } as const;

/** Lets timers and sockets have their turn. */
export function pause(ms = 20): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
