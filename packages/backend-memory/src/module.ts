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
        ip: name.optional().describe('Name of the client address in a row'),
        start: name.optional().describe('Name of the start time in a row'),
        stop: name.optional().describe('Name of the end time in a row'),
      })
      .default({}),
    max_sessions: z.int().min(1).default(DEFAULT_MAX_SESSIONS).describe('Largest number of sessions'),
    max_bytes: z.int().min(1).default(DEFAULT_MAX_BYTES).describe('Largest number of bytes of all sessions'),
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
