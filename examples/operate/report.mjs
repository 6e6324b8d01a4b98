import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

let steps = 0;

/** Runs a step, and prints what it answers that was observed. What it throws ends the run. */
export async function step(title, body) {
  const begun = performance.now();
  const observed = await body();
  steps += 1;
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(`${String(steps).padStart(2)}. ${title} (${seconds} s)\n    ${observed}`);
}

export const stepCount = () => steps;

/** Asks until there is an answer, for at most so many ms; answers it, and how long that took. */
export async function eventually(what, probe, within = 10_000) {
  const begun = performance.now();
  let failure;
  for (;;) {
    try {
      const found = await probe();
      const took = Math.round(performance.now() - begun);
      if (found !== undefined && found !== false) return { found, took };
    } catch (error) {
      failure = error;
    }
    if (performance.now() - begun > within)
      throw new Error(`waited ${within} ms for ${what}`, { cause: failure });
    await pause(20);
  }
}

export { assert, pause };
