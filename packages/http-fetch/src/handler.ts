import { type Access, checkAccess, type Service, type Session } from '@sessionkit/session-core';
import { openFetch } from './answer.js';
import { type FetchOptions, fetchSettings } from './settings.js';

/** Its session has the types of its service's data. */
export type FetchHandler<Data = unknown, Input = Data, Given extends readonly unknown[] = []> = (
  request: Request,
  session: Session<Data, Input>,
  ...given: Given
) => Response | Promise<Response>;

export interface FetchHandlerOptions<Given extends readonly unknown[] = []>
  extends FetchOptions<readonly [request: Request, ...given: Given]> {
  /** What the handler asks of the session, beyond the rule of the path. Default: nothing. */
  readonly access?: Access | undefined;
}

/**
 * Makes a web-standard handler, `(Request) => Response`, of one with a session. Requests that are refused do not reach it. One that throws or rejects is logged and
 * answered with 500, or with what a `SessionError` stands for. What the server gives beside the request (its environment, the connection) is passed on to
 * the handler and to `address`.
 *
 * @throws SessionError `CONFIG_INVALID` for bad options.
 */
export function sessionFetch<Data = unknown, Input = Data, Given extends readonly unknown[] = []>(
  service: Service<Data, Input>,
  handler: FetchHandler<Data, Input, Given>,
  options: FetchHandlerOptions<Given> = {},
): (request: Request, ...given: Given) => Promise<Response> {
  const settings = fetchSettings(options);
  const access = options.access && checkAccess(options.access);
  return async (request, ...given) => {
    const visit = await openFetch(service, request, { peer: options.address?.(request, ...given), settings });
    const refused = visit.refused ?? (access && visit.require(access));
    if (refused !== undefined) return refused;
    let response: Response;
    try {
      response = await handler(request, visit.session, ...given);
    } catch (error) {
      return visit.fail(error);
    }
    return visit.apply(response);
  };
}
