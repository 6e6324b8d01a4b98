import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type Problem, problem, type Refusal } from '@sessionkit/session-core';

const TYPE = 'application/problem+json';

/** A problem that is none of the session's. */
export function gatewayProblem(status: number, detail: string): Problem {
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail };
}

/** Answers a problem, unless something was answered already: then the connection is cut, so that the client sees that the answer is not whole. */
export function answerProblem(response: ServerResponse, document: Problem): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  response.writeHead(document.status, { 'content-type': TYPE, 'cache-control': 'no-store' });
  response.end(JSON.stringify(document));
}

/** Answers a refusal of a visit. Nothing of another answer may have gone out. */
export function answerRefusal(response: ServerResponse, refusal: Refusal): void {
  for (const [name, value] of refusal.headers) response.appendHeader(name, value);
  response.writeHead(refusal.status, { 'content-type': TYPE });
  response.end(JSON.stringify(problem(refusal)));
}

/** What is wrong with a request whatever its session says; undefined when nothing is. */
export function requestProblem({ rawHeaders, httpVersionMinor }: IncomingMessage): Problem | undefined {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]?.toLowerCase();
    if (name === 'host') hosts++;
    else if (name === 'expect' && rawHeaders[i + 1]?.toLowerCase() !== '100-continue')
      return gatewayProblem(417, 'Nothing can be expected but 100-continue.');
  }
  // RFC 9112 section 3.2.
  const fine = hosts === 1 || (hosts === 0 && httpVersionMinor === 0);
  return fine ? undefined : gatewayProblem(400, 'The request must name one host.');
}

const MALFORMED: Readonly<Record<string, readonly [status: number, detail: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'The header fields are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time.'],
};

/** Answers what the HTTP parser refused, and closes the connection. */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex): number | undefined {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return undefined;
  }
  const [status, detail] = MALFORMED[error.code ?? ''] ?? [400, 'The request is not valid HTTP.'];
  const body = JSON.stringify(gatewayProblem(status, detail));
  socket.once('finish', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: ${TYPE}\r\nCache-Control: no-store\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
  return status;
}
