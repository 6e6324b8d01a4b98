import { z } from '@hono/zod-openapi';

const FORM = /^(\d{1,15})-(\d{1,15})$/;

const range = z
  .string()
  .transform((text, context) => {
    const [, from, to] = FORM.exec(text) ?? [];
    if (from !== undefined && to !== undefined && Number(from) <= Number(to))
      return { from: Number(from), to: Number(to) };
    const message = 'must be two row numbers such as 10-20, counted from zero, the second one included';
    context.issues.push({ code: 'custom', message, input: undefined });
    return z.NEVER;
  })
  .openapi({ type: 'string', example: '10-20', description: 'Rows, counted from zero, both included' });

const fields = z
  .string()
  .transform((text) => {
    const names = text.split(',').filter((name) => name !== '');
    return names.length === 0 ? undefined : new Set(names);
  })
  .openapi({ type: 'string', example: 'id,user', description: 'Members to show' });

export const draftQuery = z.object({ fields: fields.optional() });
export const draftListQuery = draftQuery.extend({ range: range.optional() });

/** With `fields` any of the members may be missing. */
const draftSession = z
  .strictObject({
    address: z.string(),
    connected: z.string().openapi({ example: 'Wed Aug 31 03:03:12 2016', description: 'In UTC' }),
    id: z.string(),
    idle: z.number().nonnegative().openapi({ description: 'Seconds since it was last used' }),
    service: z.string().openapi({ example: '/services/my-service' }),
    state: z.enum(['Session ready for routing', 'Stopping session']),
    user: z.string().optional(),
  })
  .openapi('DraftSession');
export type DraftSession = z.infer<typeof draftSession>;

export const draftSessionPart = draftSession.partial();
export const draftSessions = z.array(draftSessionPart);

const count = z.int().nonnegative();
const draftConnection = z
  .strictObject({
    role: z.literal('Backend Request Handler'),
    server: z.string().openapi({ example: '/servers/server1' }),
    service: z.string().openapi({ example: '/services/my-service' }),
    state: z.literal('Connected'),
    statistics: z
      .strictObject({
        buffered_writes: count.openapi({ description: 'Writes to the client that had to wait in memory' }),
        high_water_events: count.openapi({ description: 'Times that the server was held back' }),
        low_water_events: count.openapi({ description: 'Times that it was let go on' }),
        read_bytes: count,
        reads: count.openapi({ description: 'Pieces of answers taken from the server' }),
        writes: count.openapi({ description: 'Pieces of requests given to the server' }),
        written_bytes: count,
      })
      .openapi({ description: 'What the session caused' }),
  })
  .openapi('DraftConnection');
export type DraftConnection = z.infer<typeof draftConnection>;

export const draftConnectionList = z.array(draftConnection.partial());
