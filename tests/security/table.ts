import { print } from '@sessionkit/test-stores/run';
import { describe, expect, it } from 'vitest';
import { type Start, starter, type Weakness } from './world.js';

const counted = { checks: 0, caught: 0 };

/** Source and requirement of every row, in their order. */
export const rows: (readonly [source: string, requirement: string])[] = [];

/** A requirement in our words, with where it comes from, and the checks that show it. */
export function row(source: string, requirement: string, checks: () => void): void {
  rows.push([source, requirement]);
  describe(`${source}: ${requirement}`, checks);
}

/**
 * One thing that is seen from outside. With a weakness it is looked at again, at a service that is weak in this way: it must fail there, or it
 * would show nothing.
 */
export function check(name: string, holds: (start: Start) => Promise<void>, weakness?: Weakness): void {
  it(name, async () => {
    await holds(starter());
    counted.checks++;
  });
  if (weakness === undefined) return;
  it(`is not so (${name}) where ${weakness.as}`, async () => {
    const outcome = await holds(starter(weakness)).then(
      () => 'passed',
      (error: unknown) => (error instanceof Error && error.name === 'AssertionError' ? 'failed' : error),
    );
    expect(outcome).toBe('failed');
    counted.caught++;
  });
}

/** A line of the summary of `npm test`. */
export function report(): void {
  const { checks, caught } = counted;
  print(
    `security: ${rows.length} rows, ${checks} checks (${caught} of them fail where a service is made weak)`,
  );
}
