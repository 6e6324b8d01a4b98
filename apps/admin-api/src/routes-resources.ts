import { readRoutes, switchRoutes } from './resource-routes.js';
import { filterResource, listenerResource, serverResource } from './resources.js';
import type { Route } from './route.js';

/** Servers, listeners, filters and monitors. */
export const RESOURCE_ROUTES: readonly Route[] = [
  ...readRoutes({
    type: 'servers',
    word: 'server',
    relationships: ['services'],
    resources: (call) => call.system.servers().map((server) => serverResource(server, call)),
  }),
  ...readRoutes({
    type: 'listeners',
    word: 'listener',
    relationships: ['services'],
    resources: (call) => call.system.listeners().map((listener) => listenerResource(listener, call)),
  }),
  ...switchRoutes('listeners', 'listener', (name, { system }) =>
    system.listeners().find((listener) => listener.name === name),
  ),
  ...readRoutes({
    type: 'filters',
    word: 'filter',
    relationships: ['services'],
    resources: (call) =>
      [...call.manager.filters].map(([name, filter]) => filterResource(name, filter, call)),
  }),
  ...readRoutes({ type: 'monitors', word: 'monitor', relationships: [], resources: () => [] }),
];
