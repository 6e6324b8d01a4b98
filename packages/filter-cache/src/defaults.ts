import type { Bounds } from './shelf.js';

export const PER_SESSION: Bounds = { entries: 100, bytes: 1_048_576 };
export const TOTAL: Bounds = { entries: 10_000, bytes: 67_108_864 };
