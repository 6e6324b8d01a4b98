import {
  configuredFilters,
  configuredModules,
  configuredServers,
  type ListenerInfo,
  type Parameters,
  type ServerInfo,
  type ServiceInfo,
  type Switched,
  type System,
  thisThread,
} from '@sessionkit/admin-api';
import type { CheckedConfig } from '@sessionkit/compose';
import type { ServerStatus } from '@sessionkit/session-core';
import type { Admin } from './admin.js';
import type { Listener, ServiceFront } from './listener.js';
import { type Logs, SHOWN } from './log.js';
import { serviceParameters } from './service-parameters.js';
import { version } from './version.js';

/** The members of it tell what is so now. */
export interface SystemParts {
  readonly config: CheckedConfig;
  readonly admin: Pick<Admin, 'config' | 'server' | 'meter'>;
  /** By name of the service. */
  readonly fronts: ReadonlyMap<string, ServiceFront>;
  readonly listeners: readonly Listener[];
  readonly logs: Logs;
  readonly reload: System['reload'];
}

/** What the gateway tells operators of itself, and lets them do. */
export function createSystem(parts: SystemParts): Partial<System> {
  const { fronts, logs } = parts;
  return {
    version,
    file: parts.config.file,
    parameters: () => processParameters(parts),
    service: (name) => {
      const front = fronts.get(name);
      return front && serviceInfo(front, parts);
    },
    servers: () => {
      const told = [...fronts.values()].flatMap(({ router }) => router?.status?.() ?? []);
      return configuredServers(parts.config).map((server) =>
        withStatus(
          server,
          told.filter(({ name }) => name === server.name),
        ),
      );
    },
    listeners: () => parts.listeners.map(listenerInfo),
    filterParameters: (name) => configuredFilters(parts.config)(name),
    modules: () => configuredModules(parts.config),
    threads: async () => [
      {
        ...(await thisThread()),
        ...parts.admin.meter.read(),
        listening: parts.listeners.some(({ isRunning }) => isRunning),
        accepts: parts.listeners.reduce((sum, { traffic }) => sum + traffic.totalConnections, 0),
      },
    ],
    log: {
      file: 'stderr',
      levels: SHOWN,
      read: (limit, before) => logs.recent.read(limit, before),
      flush: () => logs.flush(),
    },
    reload: parts.reload,
  };
}

function processParameters({ config, admin }: SystemParts): Parameters {
  return {
    admin_enabled: true,
    admin_host: admin.config?.address,
    admin_port: admin.server?.port ?? admin.config?.port,
    admin_ssl: admin.config?.tls !== undefined,
    drain_timeout: config.drainTimeout / 1000,
    store_deadline: config.storeDeadline / 1000,
    threads: 1,
    trust_proxy: config.trustProxy,
  };
}

function serviceInfo(front: ServiceFront, parts: SystemParts): ServiceInfo {
  const { name } = front.service;
  const checked = parts.config.services.get(name);
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
        const own = parts.listeners.filter(({ service }) => service === name);
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
