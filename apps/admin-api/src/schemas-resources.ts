import { z } from '@hono/zod-openapi';
import { AS_GLOBAL, MOST_KEPT, type SettingName } from './settings.js';

/** What comes in. */

export const nameParams = z.object({ name: z.string().min(1) });

const force = z
  .string()
  .toLowerCase()
  .pipe(z.enum(['true', 'yes', 'on', '1', 'false', 'no', 'off', '0'], 'must be yes or no'))
  .transform((word) => ['true', 'yes', 'on', '1'].includes(word))
  .openapi({ type: 'string', enum: ['yes', 'no'] });

export const forceQuery = z.object({ force: force.optional() });

function settingsBody(least: number, meaning: string) {
  const kept = z
    .int(`must be a whole number from ${least} to ${MOST_KEPT}${meaning}`)
    .min(least, `must be at least ${least}${meaning}`)
    .max(MOST_KEPT, `must be at most ${MOST_KEPT}: no more is kept of a session`)
    .exactOptional();
  const parameters = z.strictObject({
    retain_last_statements: kept,
    session_trace: kept,
  } satisfies Record<SettingName, unknown>);
  return z.strictObject({
    data: z.strictObject({
      id: z.string().optional(),
      // Clients are known to send whatever type they were written for.
      type: z.string().optional(),
      attributes: z.strictObject({ parameters: parameters.optional() }).optional(),
    }),
  });
}

export const processSettingsBody = settingsBody(0, '');
export const serviceSettingsBody = settingsBody(AS_GLOBAL, ` (${AS_GLOBAL}: as for all services)`);

/** What goes out. */

const link = z.url();
const selfLink = z.strictObject({ self: link });
const date = z.string().openapi({ example: 'Fri, 05 Jan 2024 07:24:06 GMT' });
const count = z.int().nonnegative();
const parameters = z.record(z.string(), z.unknown());
const source = z.strictObject({ file: z.string(), type: z.literal('static') });

const traffic = z.strictObject({
  active_operations: count,
  connections: count,
  max_connections: count.optional(),
  requests: count,
  total_connections: count,
});

/** Names of resources of one type, and where they are. */
export const relationship = z.strictObject({
  data: z.array(z.strictObject({ id: z.string(), type: z.string() })),
  links: z.strictObject({ related: link, self: link }),
});
export type Relationship = z.infer<typeof relationship>;

function resource<
  const Type extends string,
  A extends z.ZodRawShape,
  R extends Readonly<Record<string, typeof relationship>>,
>(type: Type, attributes: A, relationships: R) {
  return z.strictObject({
    attributes: z.strictObject(attributes),
    id: z.string(),
    links: selfLink,
    relationships: z.strictObject(relationships),
    type: z.literal(type),
  });
}

const listener = resource(
  'listeners',
  {
    parameters: z.strictObject({
      address: z.string(),
      port: count,
      protocol: z.string(),
      service: z.string(),
    }),
    source: source.optional(),
    state: z.enum(['Running', 'Stopped']).optional(),
    statistics: traffic.optional(),
  },
  { services: relationship },
);

const server = resource(
  'servers',
  {
    last_event: z.enum(['server_up', 'server_down']).optional(),
    parameters: z
      .object({ address: z.string(), port: count, protocol: z.string(), socket: z.null() })
      .catchall(z.unknown()),
    source: source.optional(),
    state: z.enum(['Running', 'Down', 'Unknown']).optional(),
    statistics: traffic.optional(),
    triggered_at: date.optional(),
  },
  { services: relationship },
);

const filter = resource(
  'filters',
  { filter_diagnostics: parameters, module: z.string(), parameters, source: source.optional() },
  { services: relationship },
);

const service = resource(
  'services',
  {
    backend: z.string().nullable(),
    listeners: z.array(listener),
    parameters: z
      .object({ retain_last_statements: z.int().optional(), session_trace: z.int().optional() })
      .catchall(z.unknown()),
    router: z.string().nullable(),
    router_diagnostics: parameters,
    share: z.string(),
    source: source.optional(),
    started: date.optional(),
    state: z.enum(['Started', 'Stopped']).optional(),
    statistics: traffic.optional(),
    transports: z.array(z.string()),
    users: z.array(z.unknown()).max(0),
  },
  { filters: relationship, listeners: relationship, servers: relationship },
);

/** There are none: nothing watches servers but the requests that go to them. */
const monitor = resource('monitors', {}, {});

export const RESOURCES = {
  filters: filter.openapi('Filter'),
  listeners: listener.openapi('Listener'),
  monitors: monitor.openapi('Monitor'),
  servers: server.openapi('Server'),
  services: service.openapi('Service'),
} as const;
export type ResourceType = keyof typeof RESOURCES;
export type ResourceOf<T extends ResourceType> = z.infer<(typeof RESOURCES)[T]>;

const unknown = z
  .array(z.string())
  .optional()
  .openapi({ description: 'Attributes that this process cannot know' });

/** One resource. */
export const documentOf = <S extends z.ZodType>(data: S) =>
  z.strictObject({ data, links: selfLink, meta: z.strictObject({ unknown }).optional() });

/** A collection, or a page of it. */
export const collectionOf = <S extends z.ZodType>(data: S) =>
  z.strictObject({
    data: z.array(data),
    links: selfLink.extend({
      first: link.optional(),
      last: link.optional(),
      next: link.optional(),
      prev: link.optional(),
    }),
    meta: z.strictObject({ total: count.optional(), unknown }).optional(),
  });
