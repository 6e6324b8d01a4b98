import { afterAll, describe, expect, it, vi } from 'vitest';
import { FASTIFY } from './fastify.js';
import { FETCH } from './fetch.js';
import type { Integration } from './integration.js';
import { MUTANTS, type Mutant } from './mutants.js';
import { NODE } from './node.js';
import { report } from './report.js';
import { stageOf } from './world.js';

/** One of each package: the others stand on the same code. */
const MUTATED = [...NODE, FASTIFY, ...FETCH].filter(({ name }) =>
  ['Express 5', 'Fastify', 'Hono'].includes(name),
);

// @hono/node-server prints what breaks a stream off.
vi.spyOn(console, 'error').mockImplementation(() => {});

/** The first case that fails, an answer that never comes included. */
async function firstToFail(integration: Integration, { by, tamper }: Mutant): Promise<string | undefined> {
  for (const { name, run } of by) {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('no answer')), 5_000);
    });
    const running = run(stageOf(integration, tamper));
    running.catch(() => undefined);
    try {
      await Promise.race([running, late]);
    } catch {
      return name;
    } finally {
      clearTimeout(timer);
    }
  }
  return undefined;
}

let caught = 0;
const mutants = MUTATED.length * Object.keys(MUTANTS).length;

describe('the cases', () => {
  for (const integration of MUTATED) {
    for (const [name, mutant] of Object.entries(MUTANTS)) {
      it(`catch an integration of ${integration.name} that ${name}`, async () => {
        const first = await firstToFail(integration, mutant);
        expect(first, 'no case fails').toBeDefined();
        caught++;
      }, 60_000);
    }
  }
});

afterAll(() => report(`integrations: ${mutants} mutants, ${caught} caught`));
