import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { type Access, checkAccess, failure, type Service, type Session } from '@sessionkit/session-core';
import { attach } from './answer.js';
import { sendReply } from './reply.js';
import { nodeRequest } from './request.js';
import { type HttpOptions, httpSettings } from './settings.js';
import { describe } from './target.js';

/** Its session has the types of its service's data. */
export type SessionHandler<Data = unknown, Input = Data> = (
  request: IncomingMessage,
  response: ServerResponse,
  session: Session<Data, Input>,
) => void | Promise<void>;

export interface HandlerOptions extends HttpOptions {
  /** What the handler asks of the session, beyond the rule of the path. Default: nothing. */
  readonly access?: Access | undefined;
}

/**
 * Makes a listener for `http.createServer` of a handler with a session. Requests that are refused do not reach the handler. A handler that throws or rejects is
 * logged and answered with 500, or with what a `SessionError` stands for; if its head has gone out the connection is cut.
 *
 * @throws SessionError `CONFIG_INVALID` for bad options.
 */
export function sessionHandler<Data = unknown, Input = Data>(
  service: Service<Data, Input>,
  handler: SessionHandler<Data, Input>,
  options?: HandlerOptions,
): RequestListener;
export function sessionHandler(
  service: Service,
  handler: SessionHandler,
  options: HandlerOptions = {},
): RequestListener {
  const settings = httpSettings(options);
  const access = options.access && checkAccess(options.access);
  return (request, response) => {
    service
      .open(nodeRequest(request, settings))
      .then((visit) => {
        const answer = attach(visit, request, response, settings);
        if (answer === undefined) return;
        const lacking = access && service.require(visit, access);
        if (lacking !== undefined) {
          answer.refuse(lacking);
          return;
        }
        try {
          const result = handler(request, response, visit.session);
          if (result !== undefined) Promise.resolve(result).catch((error: unknown) => answer.fail(error));
        } catch (error) {
          answer.fail(error);
        }
      })
      .catch((error: unknown) => {
        const message = `${describe(request)} could not be opened`;
        settings.environment.log({ level: 'error', message, service: service.name, error });
        if (response.headersSent) response.destroy();
        else sendReply(request, response, failure);
      });
  };
}
