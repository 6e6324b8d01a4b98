import { z } from '@hono/zod-openapi';
import { eventStream } from './event-stream.js';
import { type Call, type Route, route } from './route.js';
import { ACTIVITY_EVENTS, eventsQuery, type SessionEvent, sessionEvent } from './schemas-events.js';

/** Before `/v1/sessions/{id}`: `events` is no id. */
export const EVENT_ROUTES: readonly Route[] = [
  route({
    method: 'get',
    path: '/v1/sessions/events',
    action: 'sessions.events',
    summary: 'A live stream of what happens to sessions (Server-Sent Events)',
    role: 'basic',
    params: z.object({}),
    query: eventsQuery,
    media: 'text/event-stream',
    answers: { 200: sessionEvent },
    async handle({ query: { event: names, id, service, user } }, call) {
      const wants = (event: SessionEvent) =>
        (call.activity || !ACTIVITY_EVENTS.has(event.event)) &&
        (names === undefined || names.has(event.event)) &&
        (id === undefined || ('id' in event && event.id === id)) &&
        (user === undefined || ('user' in event && event.user === user)) &&
        (service === undefined || isOf(event, service, call));
      const { feed, environment, mayStay } = call;
      const stream = eventStream({ feed, environment, wants, mayStay });
      // Proxies are told to hand each event on at once.
      return { status: 200, stream, headers: { 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' } };
    },
  }),
];

/** Sessions of a group belong to each service of it. */
function isOf(event: SessionEvent, service: string, { manager }: Call): boolean {
  if (event.service === service) return true;
  return event.event !== 'refused' && event.service === manager.services.get(service)?.group;
}
