import { CONTRACT_VERSION, type TransportModule } from '@sessionkit/session-core';
import { z } from 'zod';
import { token } from './index.js';
import { paramProblem } from './rules.js';

const config = z.strictObject({
  type: z.literal('token'),
  param: z
    .string()
    .refine((param) => paramProblem(param) === undefined, {
      error: ({ input }) => paramProblem(input),
    })
    .describe(
      'Name of the query parameter: 1 to 64 letters, digits and `. _ ~ -`, with their case. Default: `_token`',
    )
    .optional(),
});

export default {
  contract: CONTRACT_VERSION,
  kind: 'transport',
  type: 'token',
  config,
  create: ({ param }) => token({ param }),
} satisfies TransportModule<z.infer<typeof config>>;
