import { CONTRACT_VERSION, type TransportModule } from '@sessionkit/session-core';
import { z } from 'zod';
import { bearer } from './index.js';
import { realmProblem } from './rules.js';

const config = z.strictObject({
  type: z.literal('bearer'),
  realm: z
    .string()
    .refine((realm) => realmProblem(realm) === undefined, {
      error: ({ input }) => realmProblem(input),
    })
    .describe('`realm` of the challenges: 1 to 255 printable characters of US-ASCII. Default: none')
    .optional(),
});

export default {
  contract: CONTRACT_VERSION,
  kind: 'transport',
  type: 'bearer',
  config,
  create: ({ realm }) => bearer({ realm }),
} satisfies TransportModule<z.infer<typeof config>>;
