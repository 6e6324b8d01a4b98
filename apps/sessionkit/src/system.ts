import {
  configuredFilters,
  configuredModules,
  configuredServers,
  type ListenerInfo,
  type Meter,
  type Parameters,
  type ServerInfo,
  type ServiceInfo,
  type Switched,
  type System,
  thisThread,
} from '@sessionkit/admin-api';
import type { AdminConfig, CheckedConfig } from '@sessionkit/compose';
import type { ServerStatus } from '@sessionkit/session-core';
import type { Listener, ServiceFront } from './listener.js';
import { type Logs, SHOWN } from './log.js';
import { serviceParameters } from './service-parameters.js';
import { version } from './version.js';

export interface SystemParts {
  readonly config: CheckedConfig;
  readonly admin: AdminConfig;
  /** The real one; undefined until it listens. */
  adminPort(): number | undefined;
  /** By name of the service. */
  readonly fronts: ReadonlyMap<string, ServiceFront>;
  readonly listeners: readonly Listener[];
  readonly logs: Logs;
  readonly meter: Meter;
}

/** What the gateway tells operators of itself, and lets them do. */
export function createSystem(parts: SystemParts): Partial<System> {
  const { config, fronts, listeners, logs, meter } = parts;
  return {
    version,
    file: config.file,
    parameters: () => processParameters(parts),
    service: (name) => {
      const front = fronts.get(name);
      return front && serviceInfo(front, parts);
    },
    servers: () => {
      const told = [...fronts.values()].flatMap(({ router }) => router?.status?.() ?? []);
      return configuredServers(config).map((server) =>
        withStatus(
          server,
          told.filter(({ name }) => name === server.name),
        ),
      );
    },
    listeners: () => listeners.map(listenerInfo),
    filterParameters: configuredFilters(config),
    modules: () => configuredModules(config),
    threads: async () => [
      {
        ...(await thisThread()),
        ...meter.read(),
        listening: listeners.some(({ isRunning }) => isRunning),
        accepts: listeners.reduce((sum, { traffic }) => sum + traffic.totalConnections, 0),
      },
    ],
    log: {
      file: 'stderr',
      levels: SHOWN,
      read: (limit, before) => logs.recent.read(limit, before),
      flush: () => logs.flush(),
    },
  };
}

function processParameters({ config, admin, adminPort }: SystemParts): Parameters {
  return {
    admin_enabled: true,
    admin_host: admin.address,
    admin_port: adminPort() ?? admin.port,
    admin_ssl: admin.tls !== undefined,
    drain_timeout: config.drainTimeout / 1000,
    store_deadline: config.storeDeadline / 1000,
    threads: 1,
    trust_proxy: config.trustProxy,
  };
}

function serviceInfo(front: ServiceFront, { config, listeners }: SystemParts): ServiceInfo {
  const { name } = front.service;
  const checked = config.services.get(name);
  const own = listeners.filter(({ service }) => service === name);
  return {
    name,
    router: front.router?.type,
    state: front.stopped ? 'Stopped' : 'Started',
    startedAt: front.startedAt,
    parameters: checked && serviceParameters(checked),
    servers: checked?.router?.servers.map((server) => server.name),
    traffic: front.traffic,
    control: {
      start: async () => {
        const changed = front.stopped;
        front.stopped = false;
        if (changed) front.startedAt = Date.now();
        return { changed, cut: 0 };
      },
      stop: async (force): Promise<Switched> => {
        const changed = !front.stopped;
        front.stopped = true;
        const cut = force ? own.reduce((sum, listener) => sum + listener.cut(), 0) : 0;
        return { changed, cut };
      },
    },
  };
}

function listenerInfo(listener: Listener): ListenerInfo {
  const { name, service, bound, isRunning, traffic } = listener;
  return {
    name,
    service,
    address: bound.address,
    port: bound.port,
    protocol: 'http',
    state: isRunning ? 'Running' : 'Stopped',
    traffic,
    control: { start: () => listener.start(), stop: (force) => listener.stop(force) },
  };
}

/** @param told by each router that uses it */
function withStatus(server: ServerInfo, told: readonly ServerStatus[]): ServerInfo {
  const sum = (of: (status: ServerStatus) => number) => told.reduce((total, one) => total + of(one), 0);
  // Each router finds out for itself. Who found out last knows best.
  const [latest] = told
    .filter(({ reachable }) => reachable !== undefined)
    .sort((a, b) => (b.changedAt ?? 0) - (a.changedAt ?? 0));
  return {
    ...server,
    state: latest === undefined ? 'Unknown' : latest.reachable ? 'Running' : 'Down',
    changedAt: latest?.changedAt,
    traffic: {
      connections: sum(({ connections }) => connections),
      totalConnections: sum(({ totalConnections }) => totalConnections),
      activeRequests: sum(({ activeRequests }) => activeRequests),
      totalRequests: sum(({ totalRequests }) => totalRequests),
    },
  };
}
