import type { LogParameter, Millis, SessionId, SessionInfo, SessionManager } from '@sessionkit/session-core';
import type { ServiceRelationship, SessionResource } from './schemas.js';

/** Absolute links under the host that the client named. All end in a slash. */
export class Links {
  readonly #base: string;

  /** @param base such as `http://localhost:8989/v1` */
  constructor(base: string) {
    this.#base = base;
  }

  /** To a path of names, such as a type, one of its resources, and one of its relationships. */
  readonly to = (...names: readonly string[]) =>
    `${this.#base}/${names.map((name) => `${encodeURIComponent(name)}/`).join('')}`;
  readonly sessions = () => `${this.#base}/sessions/`;
  readonly session = (id: SessionId) => `${this.#base}/sessions/${id}/`;
  readonly servicesOf = (id: SessionId) => `${this.#base}/sessions/${id}/relationships/services/`;
  readonly services = () => `${this.#base}/services/`;
}

/** What a session's document depends on besides the session. */
export interface View {
  readonly manager: SessionManager;
  readonly links: Links;
  /** Whether the reader may see what the client told of itself. */
  readonly activity: boolean;
}

/** A session as JSON:API shows it, its keys sorted at every depth. */
export function sessionResource(session: SessionInfo, view: View): SessionResource {
  const { client } = session;
  return {
    attributes: {
      client: {
        cipher: client.cipher,
        ...(view.activity ? { connection_attributes: attributesOf(client) } : {}),
      },
      connected: new Date(session.startedAt).toUTCString(),
      connections: [],
      idle: Math.round(span(session.seenAt, session.at) / 100) / 10,
      log: [],
      parameters: parametersOf(session),
      port: client.port,
      queries: [],
      remote: client.ip,
      seconds_alive: span(session.startedAt, session.at) / 1000,
      state: session.killAt === undefined ? 'Session started' : 'Stopping session',
      ...(session.user === undefined ? {} : { user: session.user }),
    },
    id: session.id,
    links: { self: view.links.session(session.id) },
    relationships: { services: serviceRelationship(session, view) },
    type: 'sessions',
  };
}

export function serviceRelationship(
  session: SessionInfo,
  view: Pick<View, 'manager' | 'links'>,
): ServiceRelationship {
  return {
    data: serviceNames(session, view.manager).map((id) => ({ id, type: 'services' })),
    links: { related: view.links.services(), self: view.links.servicesOf(session.id) },
  };
}

/** A record names a service, or a group of services that share their sessions. */
function serviceNames(session: SessionInfo, manager: SessionManager): readonly string[] {
  const names: string[] = [];
  for (const service of manager.services.values()) {
    if (service.group === session.service) names.push(service.name);
  }
  return names.length === 0 ? [session.service] : names.sort();
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
