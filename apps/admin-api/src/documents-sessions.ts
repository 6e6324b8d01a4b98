import type { LogParameter, Millis, SessionId, SessionInfo } from '@sessionkit/session-core';
import type { Links } from './documents.js';
import {
  bufferedOf,
  connectionsOf,
  ioActivityOf,
  type Live,
  logOf,
  pendingOf,
  queriesOf,
  threadOf,
} from './documents-live.js';
import type { Validators } from './preconditions.js';
import type { Call } from './route.js';
import type { Relationship } from './schemas-resources.js';
import type { SessionResource } from './schemas-sessions.js';

/** What a session's document depends on besides the session. */
export interface View extends Pick<Call, 'manager' | 'links' | 'activity'> {
  /** Host names by address, where they are asked for. */
  readonly names?: ReadonlyMap<string, string> | undefined;
}

/** What is known of one session and of none in a list. */
export interface Weight {
  /** Its data as JSON, in bytes. */
  readonly bytes: number;
  readonly keys: readonly string[];
  /** The data; undefined where it is not to be shown. */
  readonly data: Readonly<Record<string, unknown>> | undefined;
}

export const STATES: ReadonlySet<string> = new Set<SessionResource['attributes']['state']>([
  'Session started',
  'Stopping session',
]);

/** Nothing was asked for. */
const NOT_LIVE: Live = { activity: undefined, held: undefined };

/** A session as JSON:API shows it, its keys sorted at every depth. */
export function sessionResource(
  session: SessionInfo,
  view: View,
  live: Live = NOT_LIVE,
  weight?: Weight,
): SessionResource {
  const { client } = session;
  const { held } = live;
  const pending = held && pendingOf(held);
  const thread = held && threadOf(held);
  return {
    attributes: {
      client: {
        cipher: client.cipher,
        ...(view.activity ? { connection_attributes: attributesOf(client) } : {}),
      },
      connected: new Date(session.startedAt).toUTCString(),
      connections: connectionsOf(live),
      ...(weight && { data: dataOf(weight) }),
      idle: Math.round(span(session.seenAt, session.at) / 100) / 10,
      ...(held && { io_activity: ioActivityOf(held) }),
      log: logOf(live, session),
      memory: memoryOf(live, weight),
      parameters: parametersOf(session),
      ...(pending === undefined ? {} : { pending }),
      port: client.port,
      queries: queriesOf(live, session),
      remote: view.names?.get(client.ip) ?? client.ip,
      seconds_alive: span(session.startedAt, session.at) / 1000,
      state: session.killAt === undefined ? 'Session started' : 'Stopping session',
      ...(thread === undefined ? {} : { thread }),
      ...(session.user === undefined ? {} : { user: session.user }),
    },
    id: session.id,
    links: { self: view.links.session(session.id) },
    relationships: {
      ...(session.filters === undefined || session.filters.length === 0
        ? {}
        : { filters: filterRelationship(session, view.links) }),
      services: serviceRelationship(session, view),
    },
    type: 'sessions',
  };
}

export function serviceRelationship(
  session: SessionInfo,
  { manager, links }: Pick<View, 'manager' | 'links'>,
): Relationship {
  return relationship(session.id, 'services', serviceNames(session, manager), links);
}

/** The filters that an operator has given to the session, in their order. Without, it has those of its service. */
export function filterRelationship(session: SessionInfo, links: Links): Relationship {
  return relationship(session.id, 'filters', session.filters ?? [], links);
}

/** Operators' changes tell the states of a session apart; use does not. */
export function sessionValidators({ altered, restartedAt, startedAt }: SessionInfo): Validators {
  const count = altered?.count ?? 0;
  const at = altered?.at ?? startedAt;
  // All sessions were restarted, by a mark that none of them carries.
  if (restartedAt !== undefined && restartedAt > at)
    return { tag: `${count}-${restartedAt}`, modifiedAt: restartedAt };
  return { tag: `${count}`, modifiedAt: at };
}

function relationship(id: SessionId, type: string, names: readonly string[], links: Links): Relationship {
  return {
    data: names.map((name) => ({ id: name, type })),
    links: { related: links.to(type), self: links.to('sessions', id, 'relationships', type) },
  };
}

/** A record names a service, or a group of services that share their sessions. */
function serviceNames(session: SessionInfo, manager: View['manager']): readonly string[] {
  const names: string[] = [];
  for (const service of manager.services.values()) {
    if (service.group === session.service) names.push(service.name);
  }
  return names.length === 0 ? [session.service] : names.sort();
}

/** In a list nothing is known of its data. */
function memoryOf({ held }: Live, weight: Weight | undefined): SessionResource['attributes']['memory'] {
  const buffered = held && bufferedOf(held);
  return {
    ...(buffered === undefined ? {} : { connection_buffers: { total: buffered } }),
    ...(weight && { data: weight.bytes, total: weight.bytes + (buffered ?? 0) }),
  };
}

/** Names only, unless the process shows values. */
function dataOf({ keys, data }: Weight): SessionResource['attributes']['data'] {
  return { keys: [...keys].sort(), ...(data === undefined ? {} : { values: { ...data } }) };
}

/** What the client told of itself; the names are its own. */
function attributesOf({ attributes, userAgent }: SessionInfo['client']): Readonly<Record<string, string>> {
  const entries = Object.entries(attributes);
  if (entries.length === 0) return userAgent === '' ? {} : { user_agent: userAgent };
  if (userAgent !== '') entries.push(['user_agent', userAgent]);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function parametersOf({ parameters }: SessionInfo): Record<LogParameter, boolean> {
  return {
    log_debug: parameters.log_debug ?? false,
    log_error: parameters.log_error ?? false,
    log_info: parameters.log_info ?? false,
    log_notice: parameters.log_notice ?? false,
    log_warning: parameters.log_warning ?? false,
  };
}

/** Never negative: `from` was written by the clock of the store. */
function span(from: Millis, to: Millis): Millis {
  return Math.max(0, to - from);
}
