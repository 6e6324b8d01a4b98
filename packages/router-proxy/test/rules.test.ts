import { mutationMatrix } from '@sessionkit/testkit';
import { describe, expect, test } from 'vitest';
import { mutants } from './rule-mutants.js';
import { cases, check, rules } from './rules.js';

describe('what passes a gateway', () => {
  for (const one of cases) test(`${one.way}: ${one.name}`, () => check(rules, one));

  test('each rule is needed: a gateway that breaks one of them fails', async () => {
    const report = await mutationMatrix(cases, mutants, (one, mutant) => check(mutant?.rules ?? rules, one));
    expect(report.failing).toEqual([]);
    expect(report.uncaught).toEqual([]);
    expect(report.casesWithoutMutant).toEqual([]);
    console.log(`header rules: ${report.cases} cases, ${report.mutants} mutants, ${report.caught} caught`);
  });
});
