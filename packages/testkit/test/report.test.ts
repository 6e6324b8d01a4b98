import { describe, expect, it } from 'vitest';
import { joinReports, mutationMatrix, reportLine } from '../src/index.js';

const named = (...names: string[]) => names.map((name) => ({ name }));

/** Which case refuses which mutant. */
const refuses: Record<string, string[]> = { first: ['a', 'b'], second: ['b'], idle: [] };

describe('mutationMatrix', () => {
  it('counts the mutants that a case refuses and names those that pass', async () => {
    const report = await mutationMatrix(named('first', 'second'), named('a', 'b', 'c'), (one, mutant) => {
      if (mutant && refuses[one.name]?.includes(mutant.name)) throw new Error('refused');
    });
    expect(report).toEqual({
      cases: 2,
      mutants: 3,
      caught: 2,
      uncaught: ['c'],
      casesWithoutMutant: [],
      failing: [],
    });
  });

  it('names the cases that no mutant fails', async () => {
    const report = await mutationMatrix(named('first', 'idle'), named('a'), (one, mutant) => {
      if (mutant && refuses[one.name]?.includes(mutant.name)) throw new Error('refused');
    });
    expect(report.casesWithoutMutant).toEqual(['idle']);
  });

  it('lets a case that fails anyway catch nothing', async () => {
    const report = await mutationMatrix(named('broken'), named('a'), async () => {
      throw new Error('always');
    });
    expect(report).toMatchObject({
      caught: 0,
      uncaught: ['a'],
      casesWithoutMutant: ['broken'],
      failing: ['broken: always'],
    });
  });

  it('takes a run that does not end for a refusal, and says so of the unbroken subject', async () => {
    const never = new Promise<void>(() => {});
    const hanging = await mutationMatrix(
      named('one'),
      named('a'),
      async (_, mutant) => {
        if (mutant) await never;
      },
      20,
    );
    expect(hanging.caught).toBe(1);
    const hung = await mutationMatrix(named('one'), named('a'), () => never, 20);
    expect(hung.failing).toEqual(['one: did not end within 20 ms']);
  });

  it('leaves out pairs that could tell nothing new', async () => {
    const runs: string[] = [];
    const run = (one: { name: string }, mutant: { name: string } | undefined) => {
      runs.push(`${one.name}/${mutant?.name ?? '-'}`);
      if (mutant) throw new Error('refused');
    };
    // One at a time: runs side by side do not know yet what the others find.
    await mutationMatrix(named('first', 'second'), named('a', 'b'), run, 1_000, 1);
    expect(runs).toEqual(['first/-', 'second/-', 'first/a', 'first/b', 'second/a']);
  });
});

describe('the report of several suites', () => {
  it('adds them up in one line', () => {
    const one = { cases: 2, mutants: 3, caught: 3, uncaught: [], casesWithoutMutant: [], failing: [] };
    const other = { ...one, caught: 2, uncaught: ['x'], casesWithoutMutant: ['y'] };
    const both = joinReports([one, other]);
    expect(both).toMatchObject({ uncaught: ['x'], casesWithoutMutant: ['y'] });
    expect(reportLine(both)).toBe('kit: 4 cases, 6 mutants, 5 caught, 1 cases without a mutant');
  });
});
