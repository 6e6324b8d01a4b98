import { type BackendModule, CONTRACT_VERSION } from '@sessionkit/session-core';
import { z } from 'zod';
import { CouchbaseBackend } from './backend.js';
import type { Connection } from './connection.js';
import { checked, clashOf, DEFAULT_PREFIX, FIELDS, LEVELS, namesOf, prefixFault } from './options.js';
import { Store } from './store.js';

const prefix = z.string().superRefine((text, context) => {
  const message = prefixFault(text);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});
const place = z
  .string()
  .regex(
    /^[A-Za-z0-9_%-]{1,251}$/,
    'this is no name of a scope or collection: use letters, digits, _, - and %',
  )
  .default('_default');
const field = z.string().min(1).optional();

const config = z
  .strictObject({
    type: z.literal('couchbase'),
    resource: z.string().min(1).describe('Name of a resource of class `couchbase`'),
    key_ns: prefix.default(DEFAULT_PREFIX).describe('What every key begins with; at most 150 bytes'),
    scope: place.describe('Scope of the collection; it has to be there'),
    collection: place.describe('Collection of the documents; it has to be there'),
    fields: z
      .strictObject({
        token: field.meta({
          description: 'Member with the session id; the token itself is in no document',
          default: FIELDS.token,
        }),
        ip: field.meta({ description: 'Member with the address of the client', default: FIELDS.ip }),
        start: field.meta({
          description: 'Member with the start, ISO 8601 in UTC',
          default: FIELDS.start,
        }),
        stop: field.meta({
          description: 'Member with the end that no use can move, ISO 8601 in UTC',
          default: FIELDS.stop,
        }),
      })
      .default({})
      .describe('Names of the members that people read: nothing else does'),
    durable: z
      .union([z.boolean(), z.enum(LEVELS)])
      .default(false)
      .describe('Saves and ends are acknowledged when replicas have them; `true` is `majority`'),
  })
  .superRefine(({ fields }, context) => {
    const clash = clashOf(namesOf(fields));
    if (clash !== undefined) context.addIssue({ code: 'custom', path: ['fields'], message: clash });
  });

type Config = z.infer<typeof config>;

const module: BackendModule<Config> = {
  contract: CONTRACT_VERSION,
  kind: 'backend',
  type: 'couchbase',
  resourceClass: 'couchbase',
  abilities: ['inspect', 'slots', 'journal', 'presence'],
  config,
  create(section, { environment, deadline, resource }) {
    const { key_ns, fields, durable, scope, collection } = section;
    const connection = resource(section.resource) as Connection;
    const options = { prefix: key_ns, names: fields, durable, deadline, now: environment.now };
    return new CouchbaseBackend(new Store(connection.access(scope, collection), checked(options)));
  },
};

export default module;
