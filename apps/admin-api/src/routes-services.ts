import { z } from '@hono/zod-openapi';
import { serviceResource } from './documents.js';
import { AdminError } from './errors.js';
import { type Route, route } from './route.js';
import * as s from './schemas.js';

const noParams = z.object({});

export const SERVICE_ROUTES: readonly Route[] = [
  route({
    method: 'get',
    path: '/v1/services',
    action: 'services.list',
    summary: 'All services of this process',
    role: 'basic',
    params: noParams,
    query: s.noQuery,
    answers: { 200: s.servicesDocument },
    async handle(_input, { manager, links }) {
      const services = [...manager.services.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
      const data = services.map((service) => serviceResource(service, links));
      return { status: 200, document: { data, links: { self: links.services() } } };
    },
  }),
  route({
    method: 'get',
    path: '/v1/services/{name}',
    action: 'services.get',
    summary: 'One service',
    role: 'basic',
    params: s.serviceParams,
    query: s.noQuery,
    answers: { 200: s.serviceDocument },
    async handle({ params }, { manager, links }) {
      const service = manager.services.get(params.name);
      if (service === undefined) throw new AdminError(404, 'There is no such service.');
      const data = serviceResource(service, links);
      return { status: 200, document: { data, links: { self: links.service(service.name) } } };
    },
  }),
];
