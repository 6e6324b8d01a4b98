import { z } from '@hono/zod-openapi';
import { type Route, route } from './route.js';
import * as s from './schemas.js';

const noParams = z.object({});

export const ROOT_ROUTES: readonly Route[] = [
  route({
    method: 'get',
    path: '/',
    action: 'root',
    summary: 'Whether the API answers',
    role: 'basic',
    params: noParams,
    query: s.noQuery,
    answers: { 200: undefined },
    handle: async () => ({ status: 200 }),
  }),
  route({
    method: 'get',
    path: '/v1',
    action: 'root',
    summary: 'Whether the API answers',
    role: 'basic',
    params: noParams,
    query: s.noQuery,
    answers: { 200: undefined },
    handle: async () => ({ status: 200 }),
  }),
];
