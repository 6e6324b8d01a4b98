import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { AdminError, errorDocument } from './errors.js';
import { render } from './render.js';
import { errorResponse, withCommonHeaders } from './respond.js';

/** Longest path and query of a request, in characters. */
export const URL_MAX = 8_192;

export const uriTooLong = () =>
  new AdminError(414, `The path and query are longer than ${URL_MAX} characters.`);

/** What to answer to what the HTTP parser refuses. */
export function refusalOf(error: {
  readonly code?: string | undefined;
  readonly rawPacket?: unknown;
}): AdminError {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return isLongLine(error.rawPacket)
        ? uriTooLong()
        : new AdminError(431, 'The header fields are too large.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new AdminError(408, 'The request did not arrive in time.');
    default:
      return new AdminError(400, 'The request is malformed.');
  }
}

/** Whether the request line alone is longer than what is taken. */
function isLongLine(packet: unknown): boolean {
  if (!Buffer.isBuffer(packet)) return false;
  const end = packet.indexOf('\r\n');
  return end < 0 || end > URL_MAX;
}

/**
 * Writes the answer where there is no request that could be answered, and ends the connection.
 * @param packet what the parser was reading
 */
export function writeRefusal(error: AdminError, socket: Duplex, packet: unknown): void {
  const { headers } = withCommonHeaders(errorResponse(error, false), Date.now());
  const body = render(errorDocument(error), false);
  headers.set('Content-Length', String(Buffer.byteLength(body)));
  headers.set('Connection', 'close');
  const fields = [...headers].map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket.end(
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}\r\n${fields}\r\n${isHead(packet) ? '' : body}`,
  );
}

/** A reader of the answer to HEAD takes no body. */
function isHead(packet: unknown): boolean {
  return Buffer.isBuffer(packet) && packet.subarray(0, 5).toString('latin1') === 'HEAD ';
}
