import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Reply } from '@sessionkit/session-core';
import { setFields } from './fields.js';

/**
 * Sends a reply. The rest of the request's body is read and dropped by node once the answer is out, so that the connection
 * can be used again.
 */
export function sendReply(
  request: IncomingMessage,
  response: ServerResponse,
  reply: Reply,
  end: ServerResponse['end'] = response.end,
): void {
  response.statusCode = reply.status;
  response.statusMessage = '';
  setFields(response, reply.headers);
  if (reply.body === '' || request.method === 'HEAD') end.call(response, undefined, 'utf8');
  else end.call(response, reply.body, 'utf8');
}
