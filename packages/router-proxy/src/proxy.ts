import type { Exchange, HoldingSource, Router, ServerStatus, ServerTarget } from '@sessionkit/session-core';
import { Connections } from './connections.js';
import { withoutQueries } from './credentials.js';
import { transferCoding } from './fields.js';
import type { Settings } from './options.js';
import * as problems from './problem.js';
import { type Problem, sendProblem } from './problem.js';
import { type Outgoing, Relay } from './relay.js';
import { whenClosed } from './sockets.js';
import { originForm } from './target.js';
import { clientFields, forwardedFields, sessionFields } from './up.js';
import { Upstream, type Wiring } from './upstream.js';

/** What `Host` may hold (RFC 9112 section 3.2): an address or a name, and a port. Two fields come with a comma between them. */
const HOST = /^(?:\[[\w:.%~-]+\]|[\w.~%-]*)(?::\d*)?$/;

export class ProxyRouter implements Router {
  readonly type = 'proxy';
  readonly holdings: HoldingSource;
  readonly #wiring: Wiring;
  readonly #upstreams: readonly Upstream[];
  /** Servers whose steering was refused and logged. */
  readonly #told = new Set<string>();
  #turn = 0;

  constructor(settings: Settings) {
    const sessions = new Connections(() => settings.environment.now());
    this.holdings = sessions;
    this.#wiring = { ...settings, sessions, mayNotSteer: (server) => this.#mayNotSteer(server) };
    this.#upstreams = settings.servers.map((server) => new Upstream(server, settings));
  }

  handle(exchange: Exchange): Promise<void> {
    try {
      const prepared = this.#prepare(exchange);
      if ('status' in prepared) return answer(exchange, prepared);
      const relay = new Relay(this.#wiring, exchange, prepared, this.#inTurn());
      relay.start();
      return relay.done;
    } catch (error) {
      const { environment, service } = this.#wiring;
      environment.log({
        level: 'error',
        message: `request ${exchange.requestId} could not be passed on`,
        service,
        session: exchange.session.id,
        error,
      });
      return answer(exchange, problems.BAD_REQUEST);
    }
  }

  status(): readonly ServerStatus[] {
    return this.#upstreams.map((upstream) => upstream.status());
  }

  close(): Promise<void> {
    // What is in flight goes on; nobody has to wait for it here.
    for (const upstream of this.#upstreams) {
      upstream.close().catch((error: unknown) => {
        const { environment, service } = this.#wiring;
        const message = `closing the connections to "${upstream.server.name}" failed`;
        environment.log({ level: 'warning', message, service, error });
      });
    }
    return Promise.resolve();
  }

  /** What is sent upstream, or what is answered at once. */
  #prepare(exchange: Exchange): Outgoing | Problem {
    const { request, session } = exchange;
    const { carriers, environment, signKey } = this.#wiring;
    const { method = 'GET', rawHeaders } = request;
    if (exchange.upgrade === undefined && wantsWebSocket(rawHeaders)) return problems.NO_UPGRADE;
    if (method === 'TRACE') return problems.NO_TRACE;
    if (!HOST.test(exchange.host)) return problems.BAD_HOST;
    const coding = transferCoding(rawHeaders);
    if (coding !== undefined) {
      // RFC 9112 section 6.1.
      if (request.httpVersionMinor === 0) return problems.BAD_FRAMING;
      // The label would be lost here, and the body stay coded.
      if (coding !== 'chunked') return problems.NO_CODING;
    }
    const form = originForm(request.url ?? '/');
    if (typeof form !== 'string')
      return form.kind === 'asterisk' && method === 'OPTIONS' ? problems.NOTHING_TO_SAY : problems.BAD_TARGET;
    const target = withoutQueries(form, carriers.queries);
    const signing =
      signKey === undefined ? undefined : { key: signKey, now: environment.now(), method, target };
    const fields = clientFields(rawHeaders, carriers);
    fields.push(...forwardedFields(exchange), ...sessionFields(session, signing));
    const hasBody = coding !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
    return { method, target, fields, hasBody };
  }

  /** All servers, the one whose turn it is first. */
  #inTurn(): Upstream[] {
    const first = this.#turn;
    this.#turn = (first + 1) % this.#upstreams.length;
    return [...this.#upstreams.slice(first), ...this.#upstreams.slice(0, first)];
  }

  #mayNotSteer({ name }: ServerTarget): void {
    if (this.#told.has(name)) return;
    this.#told.add(name);
    const { environment, service } = this.#wiring;
    const message = `server "${name}" answers with X-Session-* headers, which are dropped: it may not steer; allow it by \`steer: true\``;
    environment.log({ level: 'warning', message, service });
  }
}

function answer({ request, response }: Exchange, problem: Problem): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed || request.socket.destroyed) {
      resolve();
      return;
    }
    whenClosed(request, response, resolve);
    if (response.headersSent) response.destroy();
    else sendProblem(request, response, problem);
  });
}

/** Whether a head asks for a WebSocket. */
function wantsWebSocket(raw: readonly string[]): boolean {
  return raw.some(
    (name, i) =>
      i % 2 === 0 &&
      name.toLowerCase() === 'upgrade' &&
      /(?:^|[\s,])websocket(?:$|[\s,/])/i.test(raw[i + 1] ?? ''),
  );
}
