import { type BackendModule, CONTRACT_VERSION, SessionError } from '@sessionkit/session-core';
import { z } from 'zod';
import type { MemcacheClient } from './client.js';
import { memcache } from './index.js';
import {
  clashOf,
  DEFAULT_MAX_RECORD_BYTES,
  DEFAULT_NAMES,
  DEFAULT_PREFIX,
  MAX_PREFIX,
  prefixProblem,
} from './options.js';

const { sid, ...members } = DEFAULT_NAMES;
const name = z.string().min(1).max(255);

const config = z
  .strictObject({
    type: z.literal('memcache'),
    resource: z.string().min(1).describe('Name of a resource of class memcache'),
    sid_field: name.default(sid).describe('Name of the session id in the first line of what is stored'),
    fields: z
      .strictObject({
        ip: name.default(members.ip).describe("Name of the client's address"),
        start: name.default(members.start).describe('Name of the start, ms of the Unix epoch'),
        stop: name
          .default(members.stop)
          .describe('Name of the end that no use can move, ms of the Unix epoch'),
        user: name.default(members.user).describe('Name of the user'),
        service: name.default(members.service).describe('Name of the service'),
        ended: name.default(members.ended).describe('Name of the note of its end: time, cause, author'),
        head: name.default(members.head).describe('Name of all the rest'),
      })
      .prefault({})
      .describe('Names of the other members of that line'),
    key_prefix: z
      .string()
      .default(DEFAULT_PREFIX)
      .superRefine((prefix, context) => {
        const problem = prefixProblem(prefix);
        if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
      })
      .describe(
        `What every key begins with: printable ASCII without blanks, at most ${MAX_PREFIX} characters`,
      ),
    max_record_bytes: z
      .int()
      .min(1)
      .default(DEFAULT_MAX_RECORD_BYTES)
      .describe(
        'Largest record in bytes, its key included: a server takes a hundred less than its `-I`, which is 1 MiB (1,048,576) by itself',
      ),
  })
  .superRefine(({ sid_field, fields }, context) => {
    const clash = clashOf({ sid: sid_field, ...fields });
    if (clash !== undefined) context.addIssue({ code: 'custom', path: ['fields'], message: clash });
  });

type Config = z.infer<typeof config>;

const module: BackendModule<Config> = {
  contract: CONTRACT_VERSION,
  kind: 'backend',
  type: 'memcache',
  resourceClass: 'memcache',
  abilities: ['inspect', 'journal', 'presence'],
  config,
  create(section, { environment, path, resource }) {
    const clients = resource(section.resource);
    if (typeof clients !== 'object' || clients === null)
      throw new SessionError(
        'CONFIG_INVALID',
        `${path}.resource: ${section.resource} is no memcached client`,
      );
    return memcache(clients as MemcacheClient | readonly MemcacheClient[], {
      names: { sid: section.sid_field, ...section.fields },
      prefix: section.key_prefix,
      maxRecordBytes: section.max_record_bytes,
      now: () => environment.now(),
      log: (entry) => environment.log(entry),
    });
  },
};

export default module;
