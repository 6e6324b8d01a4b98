import { z } from '@hono/zod-openapi';
import { AdminError } from './errors.js';
import { type Route, route } from './route.js';
import { noQuery } from './schemas.js';

const change = z.strictObject({
  what: z.enum(['added', 'removed', 'changed']),
  path: z.string().meta({ description: 'Place in the configuration, such as services.shop' }),
});

export const RELOAD_ROUTES: readonly Route[] = [
  route({
    method: 'post',
    path: '/v1/maxscale/reload',
    action: 'maxscale.reload',
    summary: 'Reads the configuration of the process again and goes on by it; a bad one changes nothing',
    role: 'admin',
    params: z.object({}),
    query: noQuery,
    answers: { 200: z.strictObject({ meta: z.strictObject({ changes: z.array(change) }) }) },
    async handle(_input, { system, environment, user }) {
      if (system.reload === undefined)
        throw new AdminError(501, 'This process cannot read its configuration again. Restart it.');
      environment.log({ level: 'notice', message: `${user.name} asks for a reload` });
      const reloaded = await system.reload();
      if ('problems' in reloaded) throw new AdminError(400, reloaded.problems);
      return { status: 200, document: { meta: { changes: reloaded.changes } } };
    },
  }),
];
