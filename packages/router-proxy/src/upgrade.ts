import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  type CredentialCarriers,
  type Exchange,
  type HeaderField,
  type OpenTunnel,
  type Session,
  SessionEnded,
  type UpgradeParts,
} from '@sessionkit/session-core';
import type { Use } from './connections.js';
import { upstreamFields } from './down.js';
import { Tunnel } from './tunnel.js';

/** Close code of a WebSocket whose session is over: 4000 to 4999 are for applications (RFC 6455 section 7.4.2), and 401 is what HTTP says. */
const SESSION_OVER = 4_401;

/** The head of a 101 as the client gets it: what the server says of its own accord, without credentials and steering, and the fields of the session. */
export function upgradeHead(
  given: Readonly<Record<string, string | readonly string[]>>,
  session: readonly HeaderField[],
  carriers: CredentialCarriers,
): string {
  const raw = Object.entries(given).flatMap(([name, value]) => [value].flat().flatMap((one) => [name, one]));
  const fields = [
    'Upgrade',
    'websocket',
    'Connection',
    'Upgrade',
    ...upstreamFields(raw, carriers),
    ...session.flat(),
  ];
  let head = 'HTTP/1.1 101 Switching Protocols\r\n';
  for (let i = 0; i < fields.length; i += 2) {
    const [name = '', value = ''] = fields.slice(i, i + 2);
    validateHeaderName(name);
    validateHeaderValue(name, value);
    head += `${name}: ${value}\r\n`;
  }
  return `${head}\r\n`;
}

/** Switches the client's connection over. Without a client nothing is to be done. */
export function openTunnel(
  { request, response, session }: Exchange,
  { socket: client, head: first, opened, used }: UpgradeParts,
  { head, server, use }: { readonly head: string; readonly server: Duplex; readonly use: Use | undefined },
): void {
  if (client.destroyed) {
    server.destroy();
    use?.end();
    return;
  }
  response.detachSocket(request.socket);
  // The response has let go of the connection.
  if (use !== undefined) use.waiting = () => client.writableLength;
  client.write(head, 'latin1');
  const tunnel = new Tunnel({ client, head: first, server, use, onClientData: used });
  bindToSession(tunnel, session);
  opened(tunnel);
}

/** Ends the tunnel with its session, and tells the client the cause. Without a session nothing ends it. */
function bindToSession(tunnel: OpenTunnel, session: Session): void {
  if (session.id === undefined) return;
  const { signal } = session;
  const end = () => {
    const reason: unknown = signal.reason;
    tunnel.end(SESSION_OVER, reason instanceof SessionEnded ? reason.endCause : 'killed');
  };
  if (signal.aborted) end();
  else {
    signal.addEventListener('abort', end, { once: true });
    void tunnel.over.then(() => signal.removeEventListener('abort', end));
  }
}
