import { type BackendModule, CONTRACT_VERSION } from '@sessionkit/session-core';
import { z } from 'zod';
import { memory } from './index.js';
import { clashOf, DEFAULT_MAX_BYTES, DEFAULT_MAX_SESSIONS, DEFAULT_SID } from './options.js';

const name = z.string().min(1).max(255);

const config = z
  .strictObject({
    type: z.literal('memory'),
    sid_field: name.default(DEFAULT_SID).describe('Name of the session id in a row'),
    fields: z
      .strictObject({
        ip: name.optional().describe("Name of the client's address in a row. Default: not shown"),
        start: name
          .optional()
          .describe('Name of the start in a row, ms of the Unix epoch. Default: not shown'),
        stop: name
          .optional()
          .describe('Name of the end that no use can move, ms of the Unix epoch. Default: not shown'),
      })
      .default({})
      .describe('Names of the other members of a row'),
    max_sessions: z
      .int()
      .min(1)
      .default(DEFAULT_MAX_SESSIONS)
      .describe('Largest number of sessions, ended ones that are still kept included'),
    max_bytes: z
      .int()
      .min(1)
      .default(DEFAULT_MAX_BYTES)
      .describe('Largest number of bytes of all sessions and journals, as they are estimated'),
  })
  .superRefine(({ sid_field, fields }, context) => {
    const clash = clashOf({ sid: sid_field, ...fields });
    if (clash !== undefined) context.addIssue({ code: 'custom', path: ['fields'], message: clash });
  });

type Config = z.infer<typeof config>;

const module: BackendModule<Config> = {
  contract: CONTRACT_VERSION,
  kind: 'backend',
  type: 'memory',
  abilities: ['inspect', 'sweep', 'watch', 'slots', 'journal', 'presence'],
  config,
  create({ sid_field, fields, max_sessions, max_bytes }, { environment }) {
    return memory({
      maxSessions: max_sessions,
      maxBytes: max_bytes,
      names: { sid: sid_field, ...fields },
      now: () => environment.now(),
      log: (entry) => environment.log(entry),
    });
  },
};

export default module;
