import { AdminError } from './errors.js';
import { checkServes, readRoutes, switchRoutes } from './resource-routes.js';
import { serviceResource } from './resources.js';
import { type Route, route } from './route.js';
import { noQuery } from './schemas.js';
import { nameParams, serviceSettingsBody } from './schemas-resources.js';

export const SERVICE_ROUTES: readonly Route[] = [
  ...readRoutes({
    type: 'services',
    word: 'service',
    relationships: ['filters', 'listeners', 'servers'],
    resources: (call) => [...call.manager.services.values()].map((service) => serviceResource(service, call)),
  }),
  route({
    method: 'patch',
    path: '/v1/services/{name}',
    action: 'services.alter',
    summary: 'Sets how much is kept of the sessions of a service',
    role: 'admin',
    params: nameParams,
    query: noQuery,
    body: serviceSettingsBody,
    answers: { 204: undefined },
    async handle({ params: { name }, body }, { manager, system, environment, user }) {
      if (!manager.services.has(name)) throw new AdminError(404, 'There is no such service.');
      if (body.data.id !== undefined && body.data.id !== name)
        throw new AdminError(400, 'data.id: is not the service of the path');
      const change = body.data.attributes?.parameters ?? {};
      checkServes(system);
      if (Object.keys(change).length === 0) return { status: 204 };
      system.settings.setOf(name, change);
      const message = `${user.name} set ${JSON.stringify(change)}`;
      environment.log({ level: 'notice', message, service: name });
      return { status: 204 };
    },
  }),
  ...switchRoutes('services', 'service', (name, { system }) => system.service(name)),
];
