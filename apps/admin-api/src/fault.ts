import { RequestError } from '@hono/node-server';
import type { Environment } from '@sessionkit/session-core';
import type { AdminApi } from './api.js';
import { AdminError } from './errors.js';
import { refusalOf } from './malformed.js';
import { errorResponse, withCommonHeaders } from './respond.js';

/** The answer to a request that could not be handed to the API, or that it failed at. */
export function faultResponse(
  api: AdminApi,
  error: unknown,
  environment: Pick<Environment, 'log'>,
): Response {
  const shown =
    error instanceof RequestError ? refusalOf({}) : new AdminError(500, 'The request could not be handled.');
  if (shown.status === 500)
    environment.log({ level: 'error', message: 'admin API: a request could not be handled', error });
  api.refused?.(shown.status, {});
  return withCommonHeaders(errorResponse(shown, true), Date.now());
}
