import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Access, checkAccess, type Service, type Session, SessionError } from '@sessionkit/session-core';
import { type Answer, attach } from './answer.js';
import { nodeRequest } from './request.js';
import { type HttpOptions, httpSettings } from './settings.js';
import { attachUpgrade, isUpgrade, upgradeRequest } from './upgrade.js';

/** A request that has passed {@link sessionMiddleware}. */
export interface SessionRequest<Data = unknown, Input = Data> extends IncomingMessage {
  session: Session<Data, Input>;
}

export type SessionMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

type Opened = Pick<Answer, 'visit' | 'refuse'>;

/** What {@link requireSession} needs of the middleware before it. */
const opened = Symbol('sessionkit.opened');
interface OpenedRequest extends IncomingMessage {
  [opened]: { readonly service: Service; readonly answer: Opened };
}

/**
 * Makes a middleware for Connect and Express that gives every request its session, as `req.session`. Requests that are refused are answered here and go no
 * further. For an upgrade (`ws`, Socket.IO) it takes whatever stands in for the response, and the session is as {@link openUpgrade} has it.
 *
 * @throws SessionError `CONFIG_INVALID` for bad options.
 */
export function sessionMiddleware(service: Service, options?: HttpOptions): SessionMiddleware {
  const settings = httpSettings(options);
  return (request, response, next) => {
    const upgrade = isUpgrade(response);
    service
      .open(upgrade ? upgradeRequest(request, settings) : nodeRequest(request, settings))
      .then((visit) => {
        const answer = upgrade ? attachUpgrade(visit, request) : attach(visit, request, response, settings);
        if (answer === undefined) return;
        (request as SessionRequest).session = visit.session;
        noteOpened(request, service, answer);
        next();
      })
      .catch(next);
  };
}

/** Tells {@link requireSession} of a visit; for middlewares that open it themselves, by {@link attach}. */
export function noteOpened(request: IncomingMessage, service: Service, answer: Opened): void {
  (request as OpenedRequest)[opened] = { service, answer };
}

/**
 * Makes a middleware for routes that need a session, a logged-in user, or a login within some time. Who has not what it asks is answered here: nothing that the
 * request changed so far is stored.
 *
 * @throws SessionError `CONFIG_INVALID` for a bad `access`; the middleware passes it to `next` when no {@link sessionMiddleware} stands before it.
 */
export function requireSession(access: Access = {}): SessionMiddleware {
  checkAccess(access);
  return (request, _response, next) => {
    const visited = (request as Partial<OpenedRequest>)[opened];
    if (visited === undefined) {
      next(withoutMiddleware());
      return;
    }
    const { service, answer } = visited;
    const refusal = service.require(answer.visit, access);
    if (refusal === undefined) next();
    else answer.refuse(refusal);
  };
}

/**
 * The session of a request, typed, without changing the types of the framework. Its values have the types of the service's data when the service of
 * {@link sessionMiddleware} is named, or else those that the caller says.
 * @throws SessionError `CONFIG_INVALID` when no {@link sessionMiddleware} stands before the handler.
 */
export function sessionOf<Data = unknown, Input = Data>(
  request: IncomingMessage,
  _service?: Service<Data, Input>,
): Session<Data, Input> {
  const { session } = request as Partial<SessionRequest<Data, Input>>;
  if (session === undefined) throw withoutMiddleware();
  return session;
}

function withoutMiddleware(): SessionError {
  return new SessionError(
    'CONFIG_INVALID',
    'the request has no session: put sessionMiddleware before this handler',
  );
}
