import { CONTRACT_VERSION, type FilterModule } from '@sessionkit/session-core';
import { z } from 'zod';
import { PER_SESSION, TOTAL } from './defaults.js';
import { cache } from './index.js';
import type { Bounds } from './shelf.js';

const bounds = (of: Bounds, what: string, bytes: string) =>
  z
    .strictObject({
      entries: z.int().positive().default(of.entries).describe('How many answers'),
      bytes: z.int().positive().default(of.bytes).describe(bytes),
    })
    .prefault({})
    .describe(what);

const config = z.strictObject({
  type: z.literal('cache'),
  per_session: bounds(
    PER_SESSION,
    'How much is kept for one session',
    'How many bytes of bodies and fields, together',
  ),
  total: bounds(
    TOTAL,
    'How much is kept for all sessions',
    'How many bytes of bodies and fields, with those that are still coming in',
  ),
  ttl: z
    .number()
    .positive()
    .optional()
    .describe('Seconds for which an answer is used at most, whatever it says itself. Default: no limit'),
});

type Config = z.infer<typeof config>;

const module = {
  contract: CONTRACT_VERSION,
  kind: 'filter',
  type: 'cache',
  config,
  create: ({ per_session, total, ttl }, { environment }) =>
    cache({
      perSession: per_session,
      total,
      ttl: ttl === undefined ? undefined : ttl * 1000,
      now: () => environment.now(),
    }),
} satisfies FilterModule<Config>;

export default module;
