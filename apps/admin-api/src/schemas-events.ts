import { z } from '@hono/zod-openapi';
import { CLIENT_CODES, type ClientCode, END_CAUSES, isSessionId } from '@sessionkit/session-core';

/** What is told of a session, in the words of `GET /v1/sessions/events`. */

const count = z.int().nonnegative();
const common = {
  at: z.iso.datetime().openapi({ description: 'When this process learnt of it' }),
  elsewhere: z.boolean().openapi({ description: 'Another process did it: the store has given notice' }),
};
const owner = {
  service: z.string().optional().openapi({ description: 'Its service, or group of services' }),
  user: z.string().optional(),
};
const of = { ...common, id: z.string(), ...owner };

/** The data of an event of the stream (WHATWG HTML section 9.2); its name is `event`. */
export const sessionEvent = z
  .discriminatedUnion('event', [
    z.strictObject({ event: z.literal('created'), ...of }),
    z.strictObject({ event: z.literal('changed'), ...of, version: count }),
    z.strictObject({ event: z.literal('login'), ...of, epoch: count }),
    z.strictObject({ event: z.literal('rotated'), ...of }),
    z.strictObject({
      event: z.literal('altered'),
      ...of,
      by: z.string(),
      what: z.enum(['altered', 'restarted', 'ending']),
    }),
    z.strictObject({
      event: z.literal('ended'),
      ...of,
      by: z.string().optional().openapi({ description: 'Who ended it; absent when the rules did' }),
      cause: z.enum(END_CAUSES).optional(),
    }),
    z.strictObject({
      event: z.literal('restarted'),
      ...common,
      by: z.string(),
      service: z
        .string()
        .openapi({ description: 'The service, or group of services, of all these sessions' }),
    }),
    z.strictObject({
      event: z.literal('refused'),
      ...common,
      code: z.enum(Object.keys(CLIENT_CODES) as [ClientCode, ...ClientCode[]]),
      service: z.string(),
    }),
  ])
  .openapi('SessionEvent', { description: 'The data of one event of the stream; its name is `event`' });
export type SessionEvent = z.infer<typeof sessionEvent>;

const EVENT_NAMES = [
  'created',
  'changed',
  'rotated',
  'login',
  'ended',
  'refused',
  'altered',
  'restarted',
] as const satisfies readonly SessionEvent['event'][];
type EventName = (typeof EVENT_NAMES)[number];
/** What clients do is told to those who may see activity. */
export const ACTIVITY_EVENTS: ReadonlySet<EventName> = new Set(['changed', 'refused']);

const isEventName = (name: string): name is EventName => (EVENT_NAMES as readonly string[]).includes(name);

const names = z
  .string()
  .transform((text, context) => {
    const list = text.split(',').filter((name) => name !== '');
    if (list.every(isEventName)) return new Set<EventName>(list);
    const message = `must be names of events, separated by commas: ${EVENT_NAMES.join(', ')}`;
    context.issues.push({ code: 'custom', message, input: undefined });
    return z.NEVER;
  })
  .openapi({ type: 'string', example: 'created,ended', description: 'Events to be told. Default: all' });

const id = z.string().refine(isSessionId, 'is not a session id');

export const eventsQuery = z.object({
  event: names.optional(),
  id: id.optional().openapi({ description: 'Of this session only' }),
  service: z.string().optional().openapi({ description: 'Of sessions of this service only' }),
  user: z.string().optional().openapi({ description: 'Of sessions of this user only' }),
});
