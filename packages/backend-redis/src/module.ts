import { type BackendModule, CONTRACT_VERSION, SessionError } from '@sessionkit/session-core';
import { z } from 'zod';
import type { RedisClient } from './client.js';
import { redis } from './index.js';
import {
  clashOf,
  DEFAULT_MAX_RECORD_BYTES,
  DEFAULT_NAMES,
  DEFAULT_PREFIX,
  prefixProblem,
} from './options.js';

const { sid, ...members } = DEFAULT_NAMES;
const name = z.string().min(1).max(255);

const config = z
  .strictObject({
    type: z.literal('redis'),
    resource: z.string().describe('Name of a resource of class redis'),
    sid_field: name.default(sid).describe('Name of the session id in the hash'),
    fields: z
      .strictObject({
        ip: name.default(members.ip).describe("Name of the client's address"),
        start: name.default(members.start).describe('Name of the start, ms of the Unix epoch'),
        stop: name
          .default(members.stop)
          .describe('Name of the end that no use can move, ms of the Unix epoch'),
        user: name
          .default(members.user)
          .describe('Name of the user; there is no such member while nobody is logged in'),
        service: name.default(members.service).describe('Name of the service'),
        data: name.default(members.data).describe('Name of the data, JSON text'),
        seen: name.default(members.seen).describe('Name of the time of the last use, ms of the Unix epoch'),
        epoch: name.default(members.epoch).describe('Name of the count of logins'),
        kill: name
          .default(members.kill)
          .describe('Name of the end that an operator has set, ms of the Unix epoch'),
        ended: name
          .default(members.ended)
          .describe('Name of the note of its end: time, cause, author, until when it is kept'),
        head: name
          .default(members.head)
          .describe(
            'Name of all the rest, a JSON array: it is what the backend reads; the readable members follow it',
          ),
      })
      .prefault({})
      .describe('Names of the other members of the hash'),
    key_prefix: z
      .string()
      .default(DEFAULT_PREFIX)
      .superRefine((prefix, context) => {
        const problem = prefixProblem(prefix);
        if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
      })
      .describe('What every key and the channel of notices begin with; no braces'),
    write_within: z
      .number()
      .min(0.001)
      .optional()
      .describe(
        "Seconds that a write may be on its way; a later one is refused by the store's own clock. Default: `store_deadline`",
      ),
    max_record_bytes: z
      .int()
      .min(1)
      .default(DEFAULT_MAX_RECORD_BYTES)
      .describe('Largest record of a session'),
    durable: z
      .boolean()
      .default(false)
      .describe('Whether a save or an end is acknowledged only when the replicas have it'),
  })
  .superRefine(({ sid_field, fields }, context) => {
    const clash = clashOf({ sid: sid_field, ...fields });
    if (clash !== undefined) context.addIssue({ code: 'custom', path: ['fields'], message: clash });
  });

type Config = z.infer<typeof config>;

const module: BackendModule<Config> = {
  contract: CONTRACT_VERSION,
  kind: 'backend',
  type: 'redis',
  resourceClass: 'redis',
  abilities: ['inspect', 'sweep', 'watch', 'slots', 'journal', 'presence'],
  config,
  create(section, { environment, path, deadline, resource }) {
    const client = resource(section.resource);
    if (typeof client !== 'object' || client === null)
      throw new SessionError('CONFIG_INVALID', `${path}.resource: ${section.resource} is no Redis client`);
    return redis(client as RedisClient, {
      names: { sid: section.sid_field, ...section.fields },
      prefix: section.key_prefix,
      writeWithin: section.write_within === undefined ? deadline : Math.ceil(section.write_within * 1_000),
      maxRecordBytes: section.max_record_bytes,
      durable: section.durable,
      log: (entry) => environment.log(entry),
    });
  },
};

export default module;
