import { describe, expect, it } from 'vitest';
import { sessionHandler } from '../src/index.js';
import { CASES, type Listen } from './behaviour.js';
import { MUTANTS } from './mutants.js';

describe('an answer', () => {
  for (const { name, run } of CASES) {
    it(name, () => run(sessionHandler));
  }
});

/** The names of the cases that a listener fails, an answer that never comes included. */
async function failures(listen: Listen): Promise<readonly string[]> {
  const failed: string[] = [];
  for (const { name, run } of CASES) {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('no answer')), 2_000);
    });
    await Promise.race([run(listen), late]).catch(() => failed.push(name));
    clearTimeout(timer);
  }
  return failed;
}

describe('the cases', () => {
  it('hold for our handler when they are run as they are for the mutants', async () => {
    expect(await failures(sessionHandler)).toEqual([]);
  }, 60_000);

  for (const [name, listen] of Object.entries(MUTANTS)) {
    it(`catch a handler that ${name}`, async () => {
      const failed = await failures(listen);
      console.log(`http-node: ${CASES.length} cases, ${failed.length} catch a handler that ${name}`);
      expect(failed.length).toBeGreaterThan(0);
    }, 120_000);
  }
});
