import type { OpenBackend } from './backend-kit.js';

/** A backend that is broken on purpose in one way. */
export interface BackendMutant {
  readonly name: string;
  breaks(sound: OpenBackend): OpenBackend;
}

export const backendMutants: readonly BackendMutant[] = [];
