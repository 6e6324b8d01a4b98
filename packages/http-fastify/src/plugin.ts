import { attach, type HttpOptions, httpSettings, nodeRequest, setFields } from '@sessionkit/http-node';
import {
  type Access,
  checkAccess,
  type Refusal,
  replyTo,
  type Service,
  type Session,
  SessionError,
} from '@sessionkit/session-core';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import fastifyPlugin from 'fastify-plugin';

/** What a route asks of the session, beyond the rule of its path: as `config.session` of the route. Default: `optional`. */
export type RouteAccess = 'optional' | 'required' | Access;

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the plugin, before the hooks and handlers of the route run. */
    session: Session;
  }
  interface FastifyContextConfig {
    session?: RouteAccess | undefined;
  }
}

export interface SessionPluginOptions extends HttpOptions {
  readonly service: Service;
}

const REQUIRED: Access = { require: 'session' };

const plugin: FastifyPluginAsync<SessionPluginOptions> = async (app, { service, ...options }) => {
  const settings = httpSettings(options);
  app.decorateRequest('session');
  app.addHook('onRoute', ({ config }) => void accessOf(config?.session));
  app.addHook('onRequest', async (request, reply) => {
    const visit = await service.open(nodeRequest(request.raw, settings));
    const access = accessOf(request.routeOptions.config.session);
    const refusal = visit.refusal ?? (access && service.require(visit, access));
    if (refusal !== undefined) {
      visit.close();
      return send(reply, refusal);
    }
    // The client may have gone by now: then nothing is left to do.
    if (attach(visit, request.raw, reply.raw, settings) === undefined) return reply.hijack();
    request.session = visit.session;
    return undefined;
  });
};

/**
 * The plugin: gives every request its session, as `request.session`. Requests that are refused are answered before the hooks and the handler of their route.
 *
 * @throws SessionError `CONFIG_INVALID` for bad options, when it is registered, and for a bad `config.session`, when the route is.
 */
export const sessionPlugin = fastifyPlugin(plugin, { fastify: '5.x', name: '@sessionkit/http-fastify' });

/**
 * The session of a request with the types of the service's data, when the service is named, or else those that the caller says. `request.session` is the same without them.
 * @throws SessionError `CONFIG_INVALID` when {@link sessionPlugin} is not registered.
 */
export function sessionOf<Data = unknown, Input = Data>(
  request: FastifyRequest,
  _service?: Service<Data, Input>,
): Session<Data, Input> {
  const session = request.session as Session<Data, Input> | undefined;
  if (session === undefined) {
    throw new SessionError('CONFIG_INVALID', 'the request has no session: register sessionPlugin before');
  }
  return session;
}

function accessOf(access: RouteAccess | undefined): Access | undefined {
  if (access === undefined || access === 'optional') return undefined;
  return access === 'required' ? REQUIRED : checkAccess(access);
}

/** Answers by Fastify, so that the fields of plugins before this one stay, and its hooks run. */
function send(reply: FastifyReply, refusal: Refusal): FastifyReply {
  const { status, headers, body } = replyTo(refusal);
  setFields(
    {
      getHeader: (name) => reply.getHeader(name),
      // Fastify adds a cookie to those that are there.
      setHeader: (name, value) => reply.removeHeader(name).header(name, value),
    },
    headers,
  );
  // Fastify would add a charset to a text.
  return reply.code(status).send(Buffer.from(body));
}
