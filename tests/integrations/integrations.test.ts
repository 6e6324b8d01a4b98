import { afterAll, describe, it, vi } from 'vitest';
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
import { NODE } from './node.js';
import { report } from './report.js';
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

// @hono/node-server prints what breaks a stream off.
vi.spyOn(console, 'error').mockImplementation(() => {});

for (const integration of INTEGRATIONS) {
  describe(integration.name, () => {
    for (const { name, run } of CASES) it(name, () => run(stageOf(integration)));
  });
}

afterAll(() => report(`integrations: ${INTEGRATIONS.length} frameworks, ${CASES.length} cases each`));
