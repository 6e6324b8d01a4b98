import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type HttpSettings, nodeRequest, redactUrl } from '@sessionkit/http-node';
import type { ClientCode, Visit, VisitRequest } from '@sessionkit/session-core';

const REQUEST_ID = /^[\w.:/+=@-]{1,128}$/;
/** The client saw no answer; this is the usual number for it in logs. */
const CLIENT_CLOSED = 499;
const SWITCHED = 101;

/** What is known of a request, for its router and its line in the access log. */
export class Visited {
  readonly view: VisitRequest;
  /** That of a trusted proxy, or a new one. */
  readonly requestId: string;
  readonly client: string;
  server: string | undefined;
  /** The connection is a WebSocket now. */
  switched = false;
  /** Of the refusal that was answered. */
  code: ClientCode | undefined;
  #visit: Visit | undefined;
  /** The session that the visit began with, which a logout leaves. */
  #session: string | undefined;
  #user: string | undefined;

  constructor(request: IncomingMessage, settings: HttpSettings) {
    this.view = nodeRequest(request, settings, isUpgrade(request));
    this.requestId = givenId(request, this.view, settings) ?? randomUUID();
    // Asked for now: a connection that is gone no longer tells.
    this.client = this.view.client().ip;
  }

  get visit(): Visit | undefined {
    return this.#visit;
  }

  open(visit: Visit): void {
    const { session } = visit;
    this.#visit = visit;
    // One that was never stored is none.
    if (session.isNew) return;
    this.#session = session.id;
    this.#user = session.user;
  }

  /** The line of the access log, without any credential. `duration` in ms. */
  line(
    request: IncomingMessage,
    response: ServerResponse,
    facts: { readonly bytes: number; readonly duration: number; readonly redacted: readonly string[] },
  ): Readonly<Record<string, unknown>> {
    const { bytes, duration, redacted } = facts;
    const aborted = !this.switched && !response.writableFinished;
    const session = this.#visit?.session;
    const stored = session?.id !== undefined && !session.isNew;
    return {
      request: this.requestId,
      client: this.client,
      method: request.method,
      url: redactUrl(request.url ?? '', redacted),
      status: this.switched ? SWITCHED : aborted && bytes === 0 ? CLIENT_CLOSED : response.statusCode,
      code: this.code,
      aborted: aborted || undefined,
      bytes,
      duration: Math.round(duration * 10) / 10,
      session: stored ? session.id : this.#session,
      user: stored ? session.user : this.#user,
      server: this.server,
    };
  }
}

function givenId(request: IncomingMessage, view: VisitRequest, { trust }: HttpSettings): string | undefined {
  if (!trust?.(request.socket.remoteAddress ?? '')) return undefined;
  const given = view.header('x-request-id');
  return given !== undefined && REQUEST_ID.test(given) ? given : undefined;
}

/** A request to switch protocols. HTTP/2 in the clear is only an offer, which Java's client makes with every first request. */
function isUpgrade(request: IncomingMessage): boolean {
  const { rawHeaders } = request;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length !== 7 || name.toLowerCase() !== 'upgrade') continue;
    if (rawHeaders[i + 1]?.trim().toLowerCase() === 'h2c') continue;
    return /(?:^|[,\s])upgrade(?:$|[,\s])/i.test(request.headers.connection ?? '');
  }
  return false;
}
