import { afterEach, expect } from 'vitest';

/**
 * Whatever core starts in the background must see to its own faults. Imported by the harness, so that it holds for every test of this folder: a
 * rejection that nobody handles fails the test during which it came up.
 */
const unhandled: unknown[] = [];

process.on('unhandledRejection', (reason) => unhandled.push(reason));

afterEach(async () => {
  // Node tells of a rejection once the promises of its turn have run.
  await new Promise((resolve) => setImmediate(resolve));
  expect(unhandled.splice(0), 'rejections that nobody handled').toEqual([]);
});
