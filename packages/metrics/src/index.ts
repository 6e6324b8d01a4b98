import {
  type Backend,
  type Millis,
  onEvent,
  type Service,
  type SessionManager,
} from '@sessionkit/session-core';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export interface MetricsOptions {
  /** Whose sessions are counted. */
  readonly manager: SessionManager;
  /** Where the metrics are registered. Default: a registry of their own. */
  readonly registry?: Registry | undefined;
  /** Also memory, event loop and garbage collection of the process. Default true. */
  readonly process?: boolean | undefined;
}

export interface Metrics {
  /** `Content-Type` of {@link text}. */
  readonly contentType: string;
  /** Everything in the text format of Prometheus. A count that a store cannot give now, or not within 5 s, is left out. */
  text(): Promise<string>;
  /** Stops counting what happens to sessions. Metrics of the process are gathered as long as it lives: `prom-client` cannot stop that. */
  close(): void;
}

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** How long stores may take to count, all together: Prometheus waits 10 s for everything, unless told otherwise. */
const COUNTING: Millis = 5_000;

/**
 * Counts what happens to sessions in this process, from the channels on which it is published. Labels are words of closed lists and names of services and stores: none is
 * a session, a user or anything a client chooses.
 */
export function createMetrics({
  manager,
  registry = new Registry(),
  process = true,
}: MetricsOptions): Metrics {
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Counter({ name: `sessionkit_${name}`, help, labelNames, registers });

  const created = counter('sessions_created_total', 'Sessions stored for the first time', ['service']);
  const ended = counter('sessions_ended_total', 'Sessions that ended, by cause', ['cause']);
  const swept = counter('sessions_swept_total', 'Dead sessions removed from a store', ['store']);
  const logins = counter('logins_total', 'Logins', ['service']);
  const rotations = counter('rotations_total', 'Secrets changed', ['service']);
  const refused = counter('visits_refused_total', 'Requests refused in place of being served', [
    'service',
    'code',
  ]);
  const conflicts = counter(
    'conflicts_total',
    'Saves that lost against another process and were replayed',
    [],
  );
  const altered = counter('operator_changes_total', 'Changes of sessions by operators', ['what']);
  const calls = new Histogram({
    name: 'sessionkit_store_call_duration_seconds',
    help: 'Calls of a store, by verb',
    labelNames: ['store', 'verb'],
    buckets: SECONDS,
    registers,
  });
  const faults = counter('store_faults_total', 'Calls of a store that failed, by code', [
    'store',
    'verb',
    'code',
  ]);
  new Gauge({
    name: 'sessionkit_sessions',
    help: 'Sessions that have not ended, as the store counts them; some may have run out',
    labelNames: ['service'],
    registers,
    async collect() {
      const counts = await countsOf(manager);
      // Nothing waits between these: whoever reads meanwhile finds all of them.
      this.reset();
      for (const [service, count] of counts) this.set({ service }, count);
    },
  });
  if (process) collectDefaultMetrics({ register: registry });

  const stops = [
    onEvent('sessionkit:session.created', ({ service }) => created.inc({ service })),
    onEvent('sessionkit:session.ended', ({ cause }) => ended.inc({ cause })),
    onEvent('sessionkit:session.swept', ({ store, count }) => swept.inc({ store }, count)),
    onEvent('sessionkit:session.login', ({ service }) => logins.inc({ service })),
    onEvent('sessionkit:session.rotated', ({ service }) => rotations.inc({ service })),
    onEvent('sessionkit:visit.refused', ({ service, code }) => refused.inc({ service, code })),
    onEvent('sessionkit:session.conflict', () => conflicts.inc()),
    onEvent('sessionkit:session.altered', ({ what }) => altered.inc({ what })),
    onEvent('sessionkit:sessions.restarted', () => altered.inc({ what: 'restarted_all' })),
    onEvent('sessionkit:store.call', ({ store, verb, duration, fault }) => {
      calls.observe({ store, verb }, duration / 1_000);
      if (fault !== undefined) faults.inc({ store, verb, code: fault });
    }),
  ];
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    close() {
      for (const stop of stops) stop();
    },
  };
}

/** The sessions of each group of services, of those groups whose stores have told in time. */
async function countsOf(manager: SessionManager): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const asked = [...groupsOf(manager)].map(async ([group, stores]) => {
    const parts = await Promise.all([...stores.values()].map((service) => service.count()));
    const sum = parts.reduce((all, part) => all + part, 0);
    counts.set(group, sum);
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, COUNTING);
  });
  await Promise.race([Promise.allSettled(asked), late]);
  clearTimeout(timer);
  return counts;
}

/** Services that share their sessions count them once, under the name of their group: one of them for each backend. */
function groupsOf(manager: SessionManager): ReadonlyMap<string, ReadonlyMap<Backend, Service>> {
  const groups = new Map<string, Map<Backend, Service>>();
  for (const service of manager.services.values()) {
    const { group, options } = service;
    if (options.backend === undefined) continue;
    const stores = groups.get(group) ?? new Map<Backend, Service>();
    groups.set(group, stores.set(options.backend, service));
  }
  return groups;
}
