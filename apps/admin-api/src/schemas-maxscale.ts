import { z } from '@hono/zod-openapi';

/** What comes in. */

/** What begins with digits counts, anything else is as if it were not there: the contract's rule for pages. */
const digits = z
  .string()
  .transform((text) => {
    const [number] = /^\d{1,15}/.exec(text) ?? [];
    return number === undefined ? undefined : Number(number);
  })
  .optional()
  .openapi({ type: 'integer', minimum: 0 });

export const logQuery = z.object({ 'page[size]': digits, 'page[cursor]': digits });

/** What goes out. */

const link = z.url();
const selfLink = z.strictObject({ self: link });
const date = z.string();
const share = z.number().nonnegative();
const level = z.enum(['debug', 'info', 'notice', 'warning', 'error']);

function resource<const Type extends string, A extends z.ZodRawShape>(type: Type, attributes: A) {
  return z.strictObject({
    attributes: z.strictObject(attributes),
    id: z.string(),
    links: selfLink,
    type: z.literal(type),
  });
}

export const maxscale = resource('maxscale', {
  activated_at: date,
  parameters: z
    .object({ retain_last_statements: z.int().optional(), session_trace: z.int().optional() })
    .catchall(z.unknown()),
  process_datetime: date,
  started_at: date,
  system: z.strictObject({
    machine: z.strictObject({ cores_available: z.int(), memory_available: z.int() }),
    os: z.strictObject({
      machine: z.string(),
      nodename: z.string(),
      release: z.string(),
      sysname: z.string(),
      version: z.string(),
    }),
    runtime: z.strictObject({ name: z.literal('node'), pid: z.int(), version: z.string() }),
  }),
  uptime: z.number().nonnegative(),
  version: z.string().optional(),
})
  .extend({ links: z.strictObject({ self: link, logs: link, modules: link, threads: link }) })
  .openapi('MaxScale');

export const thread = resource('threads', {
  stats: z.strictObject({
    accepts: z.int().optional(),
    current_descriptors: z.int().optional(),
    event_loop_lag: z
      .strictObject({ max: share, mean: share, p50: share, p99: share })
      .optional()
      .openapi({ description: 'Seconds that tasks had to wait, within the last minute' }),
    listening: z.boolean().optional(),
    load: z
      .strictObject({ last_hour: share, last_minute: share, last_second: share })
      .optional()
      .openapi({ description: 'Busy share of the event loop, in percent' }),
    memory: z
      .strictObject({
        array_buffers: z.int(),
        external: z.int(),
        heap_total: z.int(),
        heap_used: z.int(),
        total: z.int(),
      })
      .openapi({ description: 'Bytes' }),
    state: z.literal('Active'),
  }),
}).openapi('Thread');

export const logs = resource('logs', {
  log_file: z.string().nullable(),
  log_priorities: z.array(level),
  parameters: z.record(z.string(), z.unknown()),
})
  .extend({ links: z.strictObject({ data: link, self: link }) })
  .openapi('Logs');

export const logData = z
  .strictObject({
    data: resource('log_data', {
      log: z
        .array(
          z.strictObject({
            id: z.string(),
            message: z.string(),
            priority: level,
            service: z.string().optional(),
            session: z.string().optional(),
            timestamp: z.iso.datetime(),
          }),
        )
        .optional(),
      log_source: z.literal('memory'),
    }),
    links: z.strictObject({ last: link, prev: link.optional(), self: link }),
  })
  .openapi('LogData');

export const module = resource('modules', {
  commands: z.array(z.unknown()).max(0),
  module_type: z.string(),
  package: z.string().optional(),
  parameters: z.array(z.unknown()).max(0),
  version: z.string().optional(),
}).openapi('Module');

export const queryClassifier = resource('query_classifier', {
  parameters: z.strictObject({}),
}).openapi('QueryClassifier');

export const diagnostics = resource('server_diagnostics', {
  stores: z.array(
    z.strictObject({
      clock_offset: z.number().optional().openapi({ description: 'Seconds that its clock is ahead of ours' }),
      services: z.array(z.string()),
      state: z.enum(['Running', 'Down']),
      type: z.string(),
    }),
  ),
}).openapi('ServerDiagnostics');

export type MaxScale = z.infer<typeof maxscale>;
export type Thread = z.infer<typeof thread>;
export type Module = z.infer<typeof module>;
export type Logs = z.infer<typeof logs>;
export type LogData = z.infer<typeof logData>;
export type Diagnostics = z.infer<typeof diagnostics>;
