import { CONTRACT_VERSION, type FilterModule } from '@sessionkit/session-core';
import { z } from 'zod';
import { log } from './index.js';
import { LEVELS } from './levels.js';

const config = z.strictObject({
  type: z.literal('log'),
  level: z.enum(LEVELS).default('info').describe('Level of the lines'),
});

type Config = z.infer<typeof config>;

const module = {
  contract: CONTRACT_VERSION,
  kind: 'filter',
  type: 'log',
  config,
  create: ({ level }) => log({ level }),
} satisfies FilterModule<Config>;

export default module;
