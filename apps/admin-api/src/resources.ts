import type { Filter, Service, SessionManager } from '@sessionkit/session-core';
import type { Links } from './documents.js';
import type { Relationship, ResourceOf, ResourceType } from './schemas-resources.js';
import type { ListenerInfo, ServerInfo, System, Traffic } from './system.js';

/** What the documents of resources depend on besides the resource. */
export interface ResourceView {
  readonly manager: SessionManager;
  readonly system: System;
  readonly links: Links;
}

/** What cannot be told where other processes run the services. */
const UNKNOWN: Partial<Record<ResourceType, readonly string[]>> = {
  listeners: ['state', 'statistics'],
  servers: ['last_event', 'state', 'statistics', 'triggered_at'],
  services: [
    'parameters/retain_last_statements',
    'parameters/session_trace',
    'started',
    'state',
    'statistics',
  ],
};

/** Names in `meta` the attributes that are absent because this process cannot know them. */
export function metaOf(type: ResourceType, { serves }: System) {
  const unknown = serves ? undefined : UNKNOWN[type];
  return unknown && { unknown };
}

/** A service as JSON:API shows it. */
export function serviceResource(service: Service, view: ResourceView): ResourceOf<'services'> {
  const { system, links } = view;
  const { name, options } = service;
  const info = system.service(name);
  const listeners = system
    .listeners()
    .filter((listener) => listener.service === name)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    attributes: {
      backend: options.backend?.type ?? null,
      listeners: listeners.map((listener) => listenerResource(listener, view)),
      parameters: { ...info?.parameters, ...(system.serves ? system.settings.ownOf(name) : {}) },
      router: info?.router ?? null,
      router_diagnostics: {},
      share: service.group,
      ...sourceOf(system),
      ...(info?.startedAt === undefined ? {} : { started: new Date(info.startedAt).toUTCString() }),
      ...(info?.state === undefined ? {} : { state: info.state }),
      ...trafficOf(info?.traffic),
      transports: (options.transports ?? []).map((transport) => transport.type),
      users: [],
    },
    id: name,
    links: { self: links.to('services', name) },
    relationships: {
      filters: relation('filters', options.filters ?? [], 'services', name, links),
      listeners: relation(
        'listeners',
        listeners.map((listener) => listener.name),
        'services',
        name,
        links,
      ),
      servers: relation('servers', info?.servers ?? [], 'services', name, links),
    },
    type: 'services',
  };
}

export function serverResource(server: ServerInfo, { system, links }: ResourceView): ResourceOf<'servers'> {
  const { name, address, port, protocol, state, changedAt } = server;
  return {
    attributes: {
      ...eventOf(state),
      parameters: { ...server.parameters, address, port, protocol, socket: null },
      ...sourceOf(system),
      ...(state === undefined ? {} : { state }),
      ...trafficOf(server.traffic),
      ...(changedAt === undefined ? {} : { triggered_at: new Date(changedAt).toUTCString() }),
    },
    id: name,
    links: { self: links.to('servers', name) },
    relationships: { services: relation('services', server.services, 'servers', name, links) },
    type: 'servers',
  };
}

export function listenerResource(
  listener: ListenerInfo,
  { system, links }: ResourceView,
): ResourceOf<'listeners'> {
  const { name, service, address, port, protocol, state } = listener;
  return {
    attributes: {
      parameters: { address, port, protocol, service },
      ...sourceOf(system),
      ...(state === undefined ? {} : { state }),
      ...trafficOf(listener.traffic),
    },
    id: name,
    links: { self: links.to('listeners', name) },
    relationships: { services: relation('services', [service], 'listeners', name, links) },
    type: 'listeners',
  };
}

export function filterResource(
  name: string,
  filter: Filter,
  { manager, system, links }: ResourceView,
): ResourceOf<'filters'> {
  const services = [...manager.services.values()].filter(({ options }) => options.filters?.includes(name));
  return {
    attributes: {
      filter_diagnostics: filter.diagnostics?.() ?? {},
      module: filter.type,
      parameters: system.filterParameters(name),
      ...sourceOf(system),
    },
    id: name,
    links: { self: links.to('filters', name) },
    relationships: {
      services: relation('services', services.map((service) => service.name).sort(), 'filters', name, links),
    },
    type: 'filters',
  };
}

/** Resources of `type` that belong to the one named `name` of the type `of`. */
function relation(
  type: ResourceType,
  names: readonly string[],
  of: ResourceType,
  name: string,
  links: Links,
): Relationship {
  return {
    data: names.map((id) => ({ id, type })),
    links: { related: links.to(type), self: links.to(of, name, 'relationships', type) },
  };
}

function eventOf(state: ServerInfo['state']) {
  if (state === 'Running') return { last_event: 'server_up' as const };
  return state === 'Down' ? { last_event: 'server_down' as const } : {};
}

function sourceOf({ file }: System) {
  return file === undefined ? {} : { source: { file, type: 'static' as const } };
}

function trafficOf(traffic: Traffic | undefined) {
  if (traffic === undefined) return {};
  return {
    statistics: {
      active_operations: traffic.activeRequests,
      connections: traffic.connections,
      ...(traffic.maxConnections === undefined ? {} : { max_connections: traffic.maxConnections }),
      requests: traffic.totalRequests,
      total_connections: traffic.totalConnections,
    },
  };
}
