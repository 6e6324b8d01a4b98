import { z } from '@hono/zod-openapi';
import { ID_LENGTH, isSessionId, type LOG_PARAMETERS } from '@sessionkit/session-core';

/** What comes in. Messages are shown to clients and so never quote what came. */

const sessionId = z
  .string()
  .transform((text, context) => {
    if (isSessionId(text)) return text;
    context.issues.push({ code: 'custom', message: 'is not a session id', input: undefined });
    return z.NEVER;
  })
  .openapi({
    type: 'string',
    example: 's01k6y3v9qxm2r8t4w7z5b1c0d3',
    minLength: ID_LENGTH,
    maxLength: ID_LENGTH,
  });

export const sessionParams = z.object({ id: sessionId });

const seconds = z
  .string()
  .regex(/^\d{1,9}$/, 'must be a whole number of seconds, at most 999999999')
  .transform(Number)
  .openapi({ type: 'integer', minimum: 0, maximum: 999_999_999 });

export const endQuery = z.object({ ttl: seconds.optional() });
export const noQuery = z.object({});

const flag = z.boolean('must be true or false');
const logParameters = z.strictObject({
  log_debug: flag.exactOptional(),
  log_error: flag.exactOptional(),
  log_info: flag.exactOptional(),
  log_notice: flag.exactOptional(),
  log_warning: flag.exactOptional(),
} satisfies Record<(typeof LOG_PARAMETERS)[number], unknown>);

const notYet = z
  .unknown()
  .refine(() => false, 'cannot be changed: filters of a session are not available yet')
  .exactOptional();

export const patchBody = z.strictObject({
  data: z.strictObject({
    id: z.string().optional(),
    // Clients are known to send another type than `sessions` here, so it says nothing.
    type: z.string().optional(),
    attributes: z.strictObject({ parameters: logParameters.optional(), relationships: notYet }).optional(),
    relationships: notYet,
  }),
});

/** What goes out. */

const link = z.url();
/** Nothing is known of these yet. */
const none = z.array(z.unknown()).max(0);
const selfLink = z.strictObject({ self: link });
const identifier = z.strictObject({ id: z.string(), type: z.literal('services') });

export const serviceRelationship = z.strictObject({
  data: z.array(identifier),
  links: z.strictObject({ related: link, self: link }),
});
export type ServiceRelationship = z.infer<typeof serviceRelationship>;

const sessionResource = z
  .strictObject({
    attributes: z.strictObject({
      client: z.strictObject({
        cipher: z.string(),
        connection_attributes: z.record(z.string(), z.string()).optional(),
      }),
      connected: z.string(),
      connections: none,
      idle: z.number().nonnegative(),
      log: none,
      parameters: z.strictObject({
        log_debug: z.boolean(),
        log_error: z.boolean(),
        log_info: z.boolean(),
        log_notice: z.boolean(),
        log_warning: z.boolean(),
      }),
      port: z.int(),
      queries: none,
      remote: z.string(),
      seconds_alive: z.number().nonnegative(),
      state: z.enum(['Session started', 'Stopping session']),
      user: z.string().optional(),
    }),
    id: z.string(),
    links: selfLink,
    relationships: z.strictObject({ services: serviceRelationship }),
    type: z.literal('sessions'),
  })
  .openapi('Session');
export type SessionResource = z.infer<typeof sessionResource>;

export const sessionDocument = z.strictObject({ data: sessionResource, links: selfLink });
export const sessionsDocument = z.strictObject({ data: z.array(sessionResource), links: selfLink });
export const errorsDocument = z
  .strictObject({ errors: z.array(z.strictObject({ detail: z.string() })).min(1) })
  .openapi('Errors');
export const statusDocument = z.strictObject({ status: z.literal('ok') });
