import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ACCESS } from './cases/access.js';
import { ANSWERS } from './cases/answers.js';
import type { Case } from './cases/case.js';
import { CLIENTS } from './cases/clients.js';
import { ERRORS } from './cases/errors.js';
import { OWN } from './cases/own.js';
import { SOCKETS } from './cases/sockets.js';
import { STREAMS } from './cases/streams.js';
import { TRUST } from './cases/trust.js';
import { FASTIFY } from './fastify.js';
import { FETCH } from './fetch.js';
import type { Integration } from './integration.js';
import { MUTANTS, type Mutant } from './mutants.js';
import { NODE } from './node.js';
import { stageOf } from './world.js';

const INTEGRATIONS: readonly Integration[] = [...NODE, FASTIFY, ...FETCH];
const CASES: readonly Case[] = [
  ...ANSWERS,
  ...STREAMS,
  ...ERRORS,
  ...CLIENTS,
  ...TRUST,
  ...ACCESS,
  ...OWN,
  ...SOCKETS,
];

/** The packages whose mutants are caught: the others stand on the same code. */
const MUTATED = INTEGRATIONS.filter(({ name }) => ['Express 5', 'Fastify', 'Hono'].includes(name));

for (const integration of INTEGRATIONS) {
  describe(integration.name, () => {
    for (const { name, run } of CASES) it(name, () => run(stageOf(integration)));
  });
}

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

afterAll(() => {
  const line = `integrations: ${INTEGRATIONS.length} frameworks, ${CASES.length} cases each; ${mutants} mutants, ${caught} caught`;
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder === undefined) console.log(line);
  else appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
});
