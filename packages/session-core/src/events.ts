import { type Channel, channel } from 'node:diagnostics_channel';
import type { Millis } from './environment.js';
import type { SessionId } from './id.js';
import type { ClientCode, EndCause, FaultCode } from './lists.js';

/** Which session something happened to. */
interface Of {
  readonly id: SessionId;
  /** The service, or the group of services that share their sessions. */
  readonly service: string;
  readonly user: string | undefined;
}

/**
 * What happens to sessions in this process, by the name of the `node:diagnostics_channel` channel on which it is published, at once and in this turn of the event loop. A
 * payload has no credential and no session data. What happens in another process is published there.
 */
export interface SessionEvents {
  /** A session is stored for the first time. */
  'sessionkit:session.created': Of;
  /** Changes are stored: data, a login (then `login` comes too), a secret. */
  'sessionkit:session.changed': Of & { readonly version: number };
  /** A user is logged in; `epoch` counts the logins of the session. */
  'sessionkit:session.login': Of & { readonly epoch: number };
  /** It has a new secret. */
  'sessionkit:session.rotated': Of;
  /** It is over. `by`: the user or operator who ended it; undefined when the rules did. */
  'sessionkit:session.ended': {
    readonly id: SessionId;
    readonly cause: EndCause;
    readonly by: string | undefined;
  };
  /** Dead sessions were removed from a store. */
  'sessionkit:session.swept': { readonly store: string; readonly count: number };
  /** A request was refused in place of being served. */
  'sessionkit:visit.refused': { readonly service: string; readonly code: ClientCode };
  /** A save lost against another process, and its changes are replayed over the newer record. */
  'sessionkit:session.conflict': { readonly id: SessionId };
  /** An operator changed a session (`parameters`, `filters`), restarted it, or set its end. */
  'sessionkit:session.altered': Of & {
    readonly by: string;
    readonly what: 'altered' | 'restarted' | 'ending';
  };
  /** An operator restarted all sessions of a service, or of a group of services that share their sessions. */
  'sessionkit:sessions.restarted': { readonly service: string; readonly by: string };
  /** A call of a store is over. `fault`: the code of its fault; undefined for a good one. Duration in ms. */
  'sessionkit:store.call': {
    readonly store: string;
    readonly verb: string;
    readonly duration: Millis;
    readonly fault: FaultCode | undefined;
  };
}

export type SessionEventName = keyof SessionEvents;

/** A channel whose payloads have a type. Look at `hasSubscribers` before a payload is made: without a listener nothing is. */
export interface EventChannel<Payload> {
  readonly hasSubscribers: boolean;
  publish(payload: Payload): void;
}

const typed = <Name extends SessionEventName>(name: Name) =>
  channel(name) as Channel as EventChannel<SessionEvents[Name]>;

/** The channels, for those who publish. To listen, {@link onEvent} or `subscribe` of `node:diagnostics_channel`. */
export const events = {
  created: typed('sessionkit:session.created'),
  changed: typed('sessionkit:session.changed'),
  login: typed('sessionkit:session.login'),
  rotated: typed('sessionkit:session.rotated'),
  ended: typed('sessionkit:session.ended'),
  swept: typed('sessionkit:session.swept'),
  refused: typed('sessionkit:visit.refused'),
  conflict: typed('sessionkit:session.conflict'),
  altered: typed('sessionkit:session.altered'),
  restarted: typed('sessionkit:sessions.restarted'),
  storeCall: typed('sessionkit:store.call'),
} as const;

/** Listens to one channel; answers a function that stops it. A listener that throws is an uncaught exception of the process. */
export function onEvent<Name extends SessionEventName>(
  name: Name,
  listener: (payload: SessionEvents[Name]) => void,
): () => void {
  const own = (payload: unknown) => listener(payload as SessionEvents[Name]);
  const listened = channel(name);
  listened.subscribe(own);
  return () => void listened.unsubscribe(own);
}
