import { alteredOf } from './alterations.js';
import type { Millis } from './environment.js';
import { causeOfDeath, deadFrom, type Head } from './record.js';
import type { Restarts } from './restarts.js';
import type { SessionInfo } from './service.js';
import type { Store } from './store.js';

/** A head as operators see it, judged by the clock of its store. `restarts`: when all sessions of a group of services were restarted. */
export function describe(head: Head, store: Store, restarts: Pick<Restarts, 'get'>): SessionInfo {
  const restarted = restarts.get(head.service);
  const at = store.now();
  const seenAt = store.seenAt(head);
  const { idle, endsAt, killAt, ended } = head;
  const times = { seenAt, idle, endsAt, killAt, ended };
  const cause = causeOfDeath(times, at);
  // Member by member: spreads make objects of ten times the size, and a list makes many.
  return {
    format: head.format,
    id: head.id,
    version: head.version,
    service: head.service,
    user: head.user,
    epoch: head.epoch,
    secretAt: head.secretAt,
    startedAt: head.startedAt,
    authenticatedAt: head.authenticatedAt,
    seenAt,
    idle,
    endsAt,
    killAt,
    ended,
    client: head.client,
    parameters: head.parameters,
    filters: head.filters,
    restartedAt: latest(
      head.restartedAt,
      restarted !== undefined && restarted > head.startedAt ? restarted : undefined,
    ),
    dataVersion: head.dataVersion,
    extra: head.extra,
    at,
    deadFrom: deadFrom(times),
    alive: cause === undefined,
    cause,
    altered: alteredOf(head),
  };
}

function latest(a: Millis | undefined, b: Millis | undefined): Millis | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.max(a, b);
}

export function fits(info: SessionInfo, state: 'alive' | 'ended' | 'any'): boolean {
  return state === 'any' || info.alive === (state === 'alive');
}
