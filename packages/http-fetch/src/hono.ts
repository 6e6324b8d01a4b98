import { type Access, checkAccess, type Service, type Session, SessionError } from '@sessionkit/session-core';
import { type FetchVisit, openFetch } from './answer.js';
import { keepFields } from './fields.js';
import { type FetchOptions, fetchSettings } from './settings.js';

/** For `new Hono<SessionEnv>()`: what {@link sessionMiddleware} sets. With the types of a service's data: `SessionEnv<Data, Input>`. */
export interface SessionEnv<Data = unknown, Input = Data> {
  Variables: { session: Session<Data, Input> };
}

/** As much of a context of Hono as is needed. */
export interface HonoContext {
  readonly req: { readonly raw: Request };
  get res(): Response;
  set res(response: Response | undefined);
  set(key: never, value: never): void;
  get(key: never): unknown;
}

export type HonoMiddleware<C extends HonoContext = HonoContext> = (
  c: C,
  next: () => Promise<void>,
) => Promise<void>;

const VISIT = 'sessionkit.visit';

/** Fields of an answer that speak of its body. */
const NOT_OF_BODY = /^(?!content-)/;

/**
 * Makes a middleware for Hono that gives every request its session, as `c.var.session`. Requests that are refused are answered here and go no further. Errors are
 * the application's (`app.onError`), as usual.
 *
 * @throws SessionError `CONFIG_INVALID` for bad options.
 */
export function sessionMiddleware<C extends HonoContext = HonoContext, Data = unknown, Input = Data>(
  service: Service<Data, Input>,
  options: FetchOptions<readonly [c: C]> = {},
): HonoMiddleware<C> {
  const settings = fetchSettings(options);
  return async (c, next) => {
    const visit = await openFetch(service, c.req.raw, { peer: options.address?.(c), settings });
    if (visit.refused !== undefined) {
      refuse(c, visit.refused);
      return;
    }
    put(c, 'session', visit.session);
    put(c, VISIT, visit);
    try {
      await next();
    } catch (error) {
      visit.close();
      throw error;
    }
    const { res } = c;
    const answer = await visit.apply(res);
    if (answer !== res) replace(c, answer);
  };
}

/**
 * Makes a middleware for routes that need a session, a logged-in user, or a login within some time. Who has not what it asks is answered here: nothing that the
 * request changed so far is stored.
 *
 * @throws SessionError `CONFIG_INVALID` for a bad `access`; the middleware throws it when no {@link sessionMiddleware} stands before it.
 */
export function requireSession(access: Access = {}): HonoMiddleware {
  checkAccess(access);
  return async (c, next) => {
    const refused = visitOf(c).require(access);
    if (refused === undefined) await next();
    else refuse(c, refused);
  };
}

/**
 * Keeps the session of a request open beyond its answer, for a socket: `session.signal` tells when it ends, changes are stored by `session.commit()`. To be called by the
 * handler; answers the function to call when the socket is closed, whatever closed it.
 * @throws SessionError `CONFIG_INVALID` when no {@link sessionMiddleware} stands before the handler.
 */
export function keepSession(c: HonoContext): () => void {
  const visit = visitOf(c);
  visit.keep();
  return () => visit.close();
}

function visitOf(c: HonoContext): FetchVisit {
  const visit = c.get(VISIT as never) as FetchVisit | undefined;
  if (visit !== undefined) return visit;
  throw new SessionError(
    'CONFIG_INVALID',
    'the request has no session: put sessionMiddleware before this handler',
  );
}

function put(c: HonoContext, key: string, value: unknown): void {
  c.set(key as never, value as never);
}

/** What middlewares have set so far stays. */
function refuse(c: HonoContext, response: Response): void {
  keepFields(response.headers, c.res.headers, NOT_OF_BODY);
  replace(c, response);
}

/** Hono would put the fields of the present answer over those of the new one. */
function replace(c: HonoContext, response: Response): void {
  c.res = undefined;
  c.res = response;
}
