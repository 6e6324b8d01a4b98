import type { IncomingMessage, ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { type Environment, processEnvironment } from '@sessionkit/session-core';
import type { AdminApi } from './api.js';
import { faultResponse } from './fault.js';

/** A handler as node:http, Express and Connect take it. */
export type NodeHandler = (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>;

export interface NodeHandlerOptions {
  /** The process log. */
  readonly environment?: Pick<Environment, 'log'> | undefined;
}

/**
 * The admin API for the server of an application: `app.use('/ops', toNodeHandler(api))` in Express, or called for the paths below `basePath` in node:http.
 * Its own limits on time and size of requests are those of that server.
 */
export function toNodeHandler(
  api: AdminApi,
  { environment = processEnvironment }: NodeHandlerOptions = {},
): NodeHandler {
  const handler = getRequestListener(
    (request, { incoming, outgoing }) => {
      const { remoteAddress, localAddress } = incoming.socket;
      const hosts = localAddress === undefined ? [] : [localAddress];
      const encrypted = 'encrypted' in incoming.socket && incoming.socket.encrypted === true;
      const cut = () => outgoing.destroy();
      return api.fetch(request, {
        remoteAddress,
        encrypted,
        hosts,
        cut,
        incoming: incoming as IncomingMessage,
      });
    },
    {
      overrideGlobalObjects: false,
      errorHandler: (error) => faultResponse(api, error, environment),
    },
  );
  return async (incoming, outgoing) => {
    giveBackBody(incoming);
    await handler(incoming, outgoing);
  };
}

/** A body that a parser of the application has read already (`express.json()`) is written again, as there is nothing left to read. */
function giveBackBody(incoming: IncomingMessage & { body?: unknown; rawBody?: unknown }): void {
  const { body } = incoming;
  if (body === undefined || !incoming.readableEnded || incoming.rawBody instanceof Buffer) return;
  if (Buffer.isBuffer(body)) incoming.rawBody = body;
  else incoming.rawBody = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}
