import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Service, type Session, SessionError } from '@sessionkit/session-core';
import { openVisit } from './answer.js';
import { type HttpOptions, httpSettings } from './settings.js';

/** A request that has passed {@link sessionMiddleware}. */
export interface SessionRequest extends IncomingMessage {
  session: Session;
}

export type SessionMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Makes a middleware for Connect and Express that gives every request its session, as `req.session`. Requests that are refused are answered here and go no
 * further.
 *
 * @throws SessionError `CONFIG_INVALID` for bad options.
 */
export function sessionMiddleware(service: Service, options?: HttpOptions): SessionMiddleware {
  const settings = httpSettings(options);
  return (request, response, next) => {
    openVisit(service, request, response, settings).then((visit) => {
      if (visit === undefined) return;
      (request as SessionRequest).session = visit.session;
      next();
    }, next);
  };
}

/**
 * The session of a request, typed, without changing the types of the framework.
 * @throws SessionError `CONFIG_INVALID` when no {@link sessionMiddleware} stands before the handler.
 */
export function sessionOf(request: IncomingMessage): Session {
  const { session } = request as Partial<SessionRequest>;
  if (session === undefined) {
    throw new SessionError(
      'CONFIG_INVALID',
      'the request has no session: put sessionMiddleware before this handler',
    );
  }
  return session;
}
