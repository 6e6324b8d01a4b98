import { CONTRACT_VERSION, type FilterModule } from '@sessionkit/session-core';
import { z } from 'zod';
import { limit } from './index.js';

const whole = z.int().positive();

const config = z
  .strictObject({
    type: z.literal('limit'),
    rate: z
      .strictObject({
        requests: whole.describe('How many requests a session may send at once'),
        per: z
          .number()
          .positive()
          .default(1)
          .describe('Seconds in which it may send as many again, evenly one by one'),
      })
      .optional()
      .describe('How often a session may send requests. Default: no limit'),
    concurrency: whole
      .optional()
      .describe(
        'How many requests of a session may be under way at a time, until their answers are over. Default: no limit',
      ),
  })
  .refine(({ rate, concurrency }) => rate !== undefined || concurrency !== undefined, {
    message: 'this limits nothing: add `rate: { requests: 100, per: 60 }` or `concurrency: 10`',
  });

type Config = z.infer<typeof config>;

const module = {
  contract: CONTRACT_VERSION,
  kind: 'filter',
  type: 'limit',
  config,
  create: ({ rate, concurrency }, { environment }) =>
    limit({
      rate: rate && { requests: rate.requests, per: rate.per * 1000 },
      concurrency,
      now: () => environment.now(),
    }),
} satisfies FilterModule<Config>;

export default module;
