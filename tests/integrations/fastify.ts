import { Readable } from 'node:stream';
import { openUpgrade, sessionPlugin } from '@sessionkit/http-fastify';
import Fastify from 'fastify';
import { type Integration, METHODS } from './integration.js';
import { serveSockets } from './sockets.js';

export const FASTIFY: Integration = {
  name: 'Fastify',
  errors: { unhandled: 503 },
  sockets: true,
  async serve(service, app, environment) {
    const fastify = Fastify({ trustProxy: app.gullible === true, exposeHeadRoutes: false });
    fastify.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    const { before, failed, trustProxy } = app;
    fastify.addHook('onRequest', async (_request, reply) => void reply.headers(before ?? {}));
    await fastify.register(sessionPlugin, { service, trustProxy, environment });
    if (failed !== undefined) {
      fastify.setErrorHandler((error, _request, reply) => {
        const { status, body } = failed(error);
        return reply.code(status).send(body);
      });
    }
    for (const [url, route] of Object.entries(app.routes)) {
      fastify.route({
        method: [...METHODS],
        url,
        config: { session: app.access?.[url] ?? 'optional' },
        handler: async (request, reply) => {
          await route({
            method: request.method,
            session: request.session,
            body: () => (request.body ?? request.raw) as AsyncIterable<Uint8Array>,
            answer(status, { location, ...fields } = {}, body) {
              reply.code(status).headers(fields);
              if (location !== undefined) void reply.redirect(location, status);
              else void reply.send(typeof body === 'object' ? Readable.from(body) : body);
            },
            begin(status, fields = {}) {
              reply.hijack();
              reply.raw.writeHead(status, fields).flushHeaders();
              return (text) => void reply.raw.end(text);
            },
          });
          return reply;
        },
      });
    }
    serveSockets(fastify.server, service, app, openUpgrade);
    await fastify.listen({ port: 0, host: '127.0.0.1' });
    return fastify.server;
  },
};
