import { z } from '@hono/zod-openapi';
import { ID_LENGTH, isSessionId, type LOG_PARAMETERS, type SessionId } from '@sessionkit/session-core';
import { collectionQuery, resourceQuery } from './query/parameters.js';
import { relationship } from './schemas-resources.js';

/** What comes in. Messages are shown to clients and so never quote what came. */

function idThat<T extends string>(fits: (text: string) => text is T) {
  return z
    .string()
    .transform((text, context) => {
      if (fits(text)) return text;
      context.issues.push({ code: 'custom', message: 'is not a session id', input: undefined });
      return z.NEVER;
    })
    .openapi({
      type: 'string',
      example: 's01k6y3v9qxm2r8t4w7z5b1c0d3',
      minLength: ID_LENGTH,
      maxLength: ID_LENGTH,
    });
}

export function paramsThat<T extends string>(fits: (text: string) => text is T) {
  return z.object({ id: idThat(fits) });
}

export const sessionParams = paramsThat<SessionId>(isSessionId);

const seconds = z
  .string()
  .regex(/^\d{1,9}$/, 'must be a whole number of seconds, at most 999999999')
  .transform(Number)
  .openapi({ type: 'integer', minimum: 0, maximum: 999_999_999 });

const YES = ['true', 'yes', 'on', '1'];
const yesOrNo = z
  .string()
  .toLowerCase()
  .pipe(z.enum([...YES, 'false', 'no', 'off', '0'], 'must be yes or no'))
  .transform((word) => YES.includes(word))
  .openapi({ type: 'string', enum: ['yes', 'no'] });

const rdns = z
  .string()
  .optional()
  .openapi({ description: 'Whether `remote` is a host name.', enum: ['yes', 'no'] });

export const endQuery = z.object({ ttl: seconds.optional() });
export const restartQuery = z.object({ reset: yesOrNo.optional() });
export const sessionQuery = resourceQuery('sessions').extend({ rdns });
export const sessionsQuery = collectionQuery('sessions').extend({ rdns });

const flag = z.boolean('must be true or false');
const logParameters = z.strictObject({
  log_debug: flag.exactOptional(),
  log_error: flag.exactOptional(),
  log_info: flag.exactOptional(),
  log_notice: flag.exactOptional(),
  log_warning: flag.exactOptional(),
} satisfies Record<(typeof LOG_PARAMETERS)[number], unknown>);

/** Command-line clients send a name that looks like a number as a number. */
const filterName = z.union(
  [z.string(), z.int().nonnegative().transform(String)],
  'must be the name of a filter',
);
const filterList = z.array(z.strictObject({ id: filterName, type: z.string().optional() }));
const filters = z.strictObject({ filters: z.strictObject({ data: filterList }).optional() }).optional();

export const patchBody = z.strictObject({
  data: z.strictObject({
    id: z.string().optional(),
    // Clients are known to send another type than `sessions` here, so it says nothing.
    type: z.string().optional(),
    attributes: z.strictObject({ parameters: logParameters.optional(), relationships: filters }).optional(),
    relationships: filters,
  }),
});

export const filtersBody = z.strictObject({ data: filterList });

/** What goes out. */

const link = z.url();
const selfLink = z.strictObject({ self: link });
const count = z.int().nonnegative();
const span = z.number().nonnegative();
const unknown = z.array(z.string()).openapi({
  description:
    'Attributes that cannot be told here, or not in full: they are absent, or there with nothing or a part in them.',
});
const instant = z.iso.datetime().openapi({ example: '2024-01-05T07:24:06.123Z' });

const connection = z.strictObject({
  cipher: z.string().openapi({ description: 'TLS cipher; empty without TLS' }),
  connection_id: count.openapi({ description: 'Of its process' }),
  server: z.string(),
});

const executed = z.strictObject({
  command: z.string().optional().openapi({ example: 'GET' }),
  completed: instant.optional().openapi({ description: 'Absent while it runs' }),
  received: instant,
  responses: z
    .array(z.strictObject({ duration: count, server: z.string() }))
    .openapi({ description: 'Heads of answers; ms since the request was received' }),
  statement: z.string().openapi({ example: 'GET /cart' }),
});

const attributes = z.strictObject({
  client: z.strictObject({
    cipher: z.string().openapi({ description: 'TLS cipher of the connection; empty without TLS' }),
    connection_attributes: z.record(z.string(), z.string()).optional(),
  }),
  connected: z.string().openapi({ example: 'Fri, 05 Jan 2024 07:24:06 GMT' }),
  connections: z.array(connection).openapi({ description: 'To servers, of all processes' }),
  data: z
    .strictObject({ keys: z.array(z.string()), values: z.record(z.string(), z.unknown()).optional() })
    .optional()
    .openapi({
      description: 'Names of what the application keeps in the session; values where the process shows them',
    }),
  idle: span.openapi({ description: 'Seconds since it was last used' }),
  io_activity: count
    .optional()
    .openapi({ description: 'Reads and writes in the last 30 s, in all processes' }),
  log: z.array(z.string()).openapi({ description: 'Oldest first' }),
  memory: z
    .strictObject({
      connection_buffers: z.strictObject({ total: count }).optional(),
      data: count.optional(),
      total: count.optional(),
    })
    .openapi({ description: 'Bytes, of all processes; `data` and `total` not in a list' }),
  parameters: z.strictObject({
    log_debug: z.boolean(),
    log_error: z.boolean(),
    log_info: z.boolean(),
    log_notice: z.boolean(),
    log_warning: z.boolean(),
  }),
  pending: z.string().optional().openapi({ description: 'Why its filters are not in use in some process' }),
  port: z.int(),
  queries: z.array(executed).openapi({ description: 'Newest first' }),
  remote: z.string(),
  seconds_alive: span,
  state: z.enum(['Session started', 'Stopping session']),
  thread: count
    .optional()
    .openapi({ description: 'Number of the process that holds it; absent when none does' }),
  user: z.string().optional(),
});

const sessionResource = z
  .strictObject({
    attributes,
    id: z.string(),
    links: selfLink,
    relationships: z.strictObject({ filters: relationship.optional(), services: relationship }),
    type: z.literal('sessions'),
  })
  .openapi('Session');
export type SessionResource = z.infer<typeof sessionResource>;

export const sessionDocument = z.strictObject({
  data: sessionResource,
  links: selfLink,
  meta: z.strictObject({ unknown }),
});
export const sessionsDocument = z.strictObject({
  data: z.array(sessionResource),
  links: selfLink.extend({
    first: link.optional(),
    last: link.optional(),
    next: link.optional(),
    prev: link.optional(),
  }),
  meta: z.strictObject({ total: count.optional(), unknown }),
});
