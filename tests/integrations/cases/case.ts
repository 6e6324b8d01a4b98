import type { Stage } from '../world.js';

/** One promise that every integration keeps. */
export interface Case {
  /** A sentence. */
  readonly name: string;
  run(stage: Stage): Promise<void>;
}
