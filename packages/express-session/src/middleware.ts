import type { IncomingMessage } from 'node:http';
import {
  attach,
  attachUpgrade,
  type HttpOptions,
  httpSettings,
  isUpgrade,
  nodeRequest,
  noteOpened,
  type SessionMiddleware,
  upgradeRequest,
} from '@sessionkit/http-node';
import { type Service, type Session, SessionError } from '@sessionkit/session-core';
import { passportUser, type UserOf } from './user.js';
import { ExpressVisit } from './visit.js';

export interface ExpressSessionOptions extends HttpOptions {
  /** Who is logged in, by the data of a session: when that changes, the session is logged in or out. Default: {@link passportUser}. */
  readonly user?: UserOf | undefined;
}

const below = Symbol('sessionkit.express-session');
interface VisitedRequest extends IncomingMessage {
  [below]: ExpressVisit;
}

/**
 * Makes a middleware for Express and Connect with the `req.session` of express-session over the sessions of a service.
 *
 * @throws SessionError `CONFIG_INVALID` for bad options, and for a service that creates no sessions (`autoCreate`).
 */
export function expressSession(service: Service, options: ExpressSessionOptions = {}): SessionMiddleware {
  const settings = httpSettings(options);
  const userOf = options.user ?? passportUser;
  if (!service.options.autoCreate) {
    throw new SessionError(
      'CONFIG_INVALID',
      `service "${service.name}": autoCreate must be 'on_write' (the saveUninitialized: false of express-session) or true, else req.session.x = 1 has nowhere to go`,
    );
  }
  return (request, response, next) => {
    // Mounted twice, or another one stands before it. It is not asked: that would be a use of it.
    if ('session' in request) return next();
    const upgrade = isUpgrade(response);
    const view = upgrade ? upgradeRequest(request, settings) : nodeRequest(request, settings);
    service
      .open(view)
      .then((opened) => {
        const visit = new ExpressVisit(opened, { service, request, view, userOf });
        const answer = upgrade ? attachUpgrade(visit, request) : attach(visit, request, response, settings);
        if (answer === undefined) return;
        visit.install();
        (request as VisitedRequest)[below] = visit;
        noteOpened(request, service, answer);
        next();
      })
      .catch(next);
  };
}

/**
 * The SessionKit session below `req.session`: for what express-session does not have, such as `sessions()`, `endOthers()` and `rotate()`. Its data is that of `req.session`: change it there.
 * @throws SessionError `CONFIG_INVALID` when no {@link expressSession} stands before the handler.
 */
export function sessionOf(request: IncomingMessage): Session {
  const visit = (request as Partial<VisitedRequest>)[below];
  if (visit !== undefined) return visit.session;
  throw new SessionError(
    'CONFIG_INVALID',
    'the request has no session: put expressSession before this handler',
  );
}
