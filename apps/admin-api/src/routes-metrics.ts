import { z } from '@hono/zod-openapi';
import { AdminError } from './errors.js';
import { type Route, route } from './route.js';
import { noQuery } from './schemas.js';

export const METRICS_ROUTES: readonly Route[] = [
  route({
    method: 'get',
    path: '/metrics',
    action: 'metrics',
    summary: 'Metrics of the process, in the text format of Prometheus',
    role: 'basic',
    params: z.object({}),
    query: noQuery,
    media: 'text/plain',
    answers: { 200: z.string() },
    async handle(_input, { metrics }) {
      if (metrics === undefined) throw new AdminError(501, 'This process keeps no metrics.');
      return { status: 200, text: await metrics.text(), headers: { 'Content-Type': metrics.contentType } };
    },
  }),
];
