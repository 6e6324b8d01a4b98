import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

/** Whether a request asks for a WebSocket. All other offers to switch can be ignored (RFC 9110 section 7.8): HTTP/2 in the clear is one that Java's client makes with every first request. */
export function wantsWebSocket({ headers }: IncomingMessage): boolean {
  return /(?:^|[\s,])websocket(?:$|[\s,/])/i.test(headers.upgrade ?? '');
}

/**
 * Node hands a request with `Upgrade` over as soon as anybody listens for one. One that is to be read like the others goes back to the server, without the offer.
 */
export function readAsUsual(server: Server, request: IncomingMessage, socket: Socket, rest: Buffer): void {
  const { method, url, httpVersion, rawHeaders } = request;
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    const value = rawHeaders[i + 1] ?? '';
    const key = name.toLowerCase();
    if (key === 'upgrade' || key === 'http2-settings') continue;
    head += `${name}: ${key === 'connection' ? withoutOffer(value) : value}\r\n`;
  }
  socket.unshift(Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), rest]));
  server.emit('connection', socket);
}

function withoutOffer(connection: string): string {
  const options = connection.split(',').map((option) => option.trim());
  const kept = options.filter((option) => !/^(?:upgrade|http2-settings)$/i.test(option));
  return kept.join(', ') || 'keep-alive';
}
