import { type IncomingMessage, type ServerResponse, STATUS_CODES, validateHeaderValue } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  type HeaderField,
  type Refusal,
  replyTo,
  type Service,
  type Session,
  type Visit,
  type VisitRequest,
} from '@sessionkit/session-core';
import type { Answer } from './answer.js';
import { nodeRequest } from './request.js';
import type { HttpSettings } from './settings.js';

// Node has taken its listeners off; without one a reset while the store is asked would end the process. Its close says the same.
const ignore = () => {};

/** A session for a socket. */
export interface Upgrade<Data = unknown, Input = Data> {
  readonly visit: Visit<Data, Input>;
  readonly session: Session<Data, Input>;
  /** To be sent with the 101. */
  readonly headers: readonly HeaderField[];
}

/**
 * Opens a visit for an `upgrade` event of `http.Server`. It never creates a session, and is closed with the socket. Changes need `session.commit()`. Resolves to
 * undefined when there is nothing left to do: the upgrade was refused and that has been answered, or the client has gone. Rejects, with the socket
 * destroyed, for a programming error.
 */
export function openUpgrade<Data = unknown, Input = Data>(
  service: Service<Data, Input>,
  request: IncomingMessage,
  socket: Duplex,
  settings: HttpSettings,
): Promise<Upgrade<Data, Input> | undefined>;
export async function openUpgrade(
  service: Service,
  request: IncomingMessage,
  socket: Duplex,
  settings: HttpSettings,
): Promise<Upgrade | undefined> {
  socket.on('error', ignore);
  let visit: Visit | undefined;
  try {
    visit = await service.open(nodeRequest(request, settings, true));
    const answer = visit.refusal ?? (await headOf(visit));
    if (!socket.destroyed && answer.code === undefined) {
      const opened = visit;
      socket.once('close', () => opened.close());
      socket.off('error', ignore);
      return { visit, session: visit.session, headers: answer.headers };
    }
    visit.close();
    if (!socket.destroyed && answer.code !== undefined) refuseUpgrade(socket, answer);
    return undefined;
  } catch (fault) {
    visit?.close();
    socket.destroy();
    throw fault;
  }
}

/**
 * Whether a middleware is called for an upgrade: libraries of WebSockets have no response to hand over. `ws` gives it `{}`, Socket.IO an object of its own, some versions an emitter of events.
 */
export function isUpgrade(response: ServerResponse): boolean {
  return typeof (response as Partial<ServerResponse>).headersSent !== 'boolean';
}

/** The request of an upgrade as core reads it, for {@link attachUpgrade}. */
export function upgradeRequest(request: IncomingMessage, settings: HttpSettings): VisitRequest {
  request.socket.on('error', ignore);
  return nodeRequest(request, settings, true);
}

/**
 * Ties a visit to the socket of its upgrade, whose answer is somebody else's: what needs a head throws `HEADERS_SENT`, and a renewed cookie waits for another answer.
 * Undefined when there is nothing left to do.
 */
export function attachUpgrade(
  visit: Visit,
  request: IncomingMessage,
): Pick<Answer, 'visit' | 'refuse'> | undefined {
  const { socket } = request;
  const refuse = (refusal: Refusal) => {
    socket.on('error', ignore);
    refuseUpgrade(socket, refusal);
  };
  if (socket.destroyed || visit.refusal !== undefined) {
    visit.close();
    if (!socket.destroyed && visit.refusal !== undefined) refuse(visit.refusal);
    return undefined;
  }
  visit.headSent = () => true;
  socket.once('close', () => visit.close());
  socket.off('error', ignore);
  return { visit, refuse };
}

/** The fields for the 101, or what to answer in its place. Nothing that needs a head can be done after it. */
async function headOf(
  visit: Visit,
): Promise<{ readonly headers: readonly HeaderField[]; readonly code?: undefined } | Refusal> {
  try {
    return { headers: await visit.finish({ status: 101, cacheControl: undefined }) };
  } catch (fault) {
    const refused = visit.refuse(fault);
    if (refused === undefined) throw fault;
    return refused;
  }
}

/** Answers an upgrade with a refusal and closes the socket. */
export function refuseUpgrade(socket: Duplex, refusal: Refusal): void {
  const { status, headers, body } = replyTo(refusal);
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}\r\nConnection: close\r\n`;
  for (const [name, value] of headers) {
    validateHeaderValue(name, value);
    head += `${name}: ${value}\r\n`;
  }
  socket.once('finish', () => socket.destroy());
  socket.end(`${head}\r\n${body}`);
}
