import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  failure,
  type HeaderField,
  type Refusal,
  type Reply,
  replyTo,
  type Service,
  SessionError,
  type Visit,
  type VisitRequest,
} from '@sessionkit/session-core';
import { clearFields, setFields } from './fields.js';
import { Hold } from './hold.js';
import { logFault } from './log.js';
import { sendReply } from './reply.js';
import { nodeRequest } from './request.js';
import type { HttpSettings } from './settings.js';
import { whenClosed } from './sockets.js';
import { describe } from './target.js';

/** Is told when a refusal is answered: the visit's own, or one in place of an answer whose changes could not be stored. */
export type OnRefusal = (refusal: Refusal) => void;

/** What a caller of {@link openVisit} may know or want to know besides. */
export interface OpenOptions {
  /** The request as core reads it, if it was made already. */
  readonly view?: VisitRequest | undefined;
  readonly onRefusal?: OnRefusal | undefined;
}

/**
 * Opens a visit for a request. From then on the answer is held wherever the visit needs it, and the visit is closed when the answer is over or the client has
 * gone. Resolves to undefined when there is nothing left to do: the visit was refused and that has been answered, or the client has gone.
 */
export function openVisit(
  service: Service,
  request: IncomingMessage,
  response: ServerResponse,
  settings: HttpSettings,
  { view = nodeRequest(request, settings), onRefusal }: OpenOptions = {},
): Promise<Visit | undefined> {
  return service.open(view).then((visit) => attach(visit, request, response, settings, onRefusal)?.visit);
}

/** Ties an opened visit to its answer; undefined when there is nothing left to do. */
export function attach(
  visit: Visit,
  request: IncomingMessage,
  response: ServerResponse,
  settings: HttpSettings,
  onRefusal?: OnRefusal,
): Answer | undefined {
  if (response.destroyed || request.socket.destroyed) {
    visit.close();
    return undefined;
  }
  if (visit.refusal !== undefined) {
    visit.close();
    if (response.headersSent) response.destroy();
    else {
      onRefusal?.(visit.refusal);
      sendReply(request, response, replyTo(visit.refusal));
    }
    return undefined;
  }
  return new Answer(visit, request, response, settings, onRefusal);
}

/** One visit and the answer it goes into. */
export class Answer {
  readonly visit: Visit;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #settings: HttpSettings;
  readonly #onRefusal: OnRefusal | undefined;
  #hold: Hold | undefined;
  /** The head had gone out before anything was to be stored. */
  #late = false;

  constructor(
    visit: Visit,
    request: IncomingMessage,
    response: ServerResponse,
    settings: HttpSettings,
    onRefusal: OnRefusal | undefined,
  ) {
    this.visit = visit;
    this.#onRefusal = onRefusal;
    this.#request = request;
    this.#response = response;
    this.#settings = settings;
    whenClosed(request, response, () => {
      this.#hold?.close();
      visit.close();
    });
    if (visit.pending || needsHold(visit.headers)) this.#install();
    else {
      if (visit.headers.length > 0) setFields(response, visit.headers);
      visit.onPending = () => this.#install();
      visit.headSent = () => this.#late || (this.#hold === undefined && response.headersSent);
    }
  }

  #install(): void {
    this.#late ||= this.#hold === undefined && this.#response.headersSent;
    this.#hold ??= new Hold(this.visit, this.#request, this.#response, this.#settings, this.#onRefusal);
  }

  /** The handler failed: answers for it, or cuts off what has begun. */
  fail(error: unknown): void {
    const refusal = error instanceof SessionError ? this.visit.refuse(error) : undefined;
    if (refusal === undefined || refusal.status >= 500) {
      logFault(this.#settings, this.visit, `the handler of ${describe(this.#request)} failed`, error);
    }
    if (refusal !== undefined) this.refuse(refusal);
    else this.#replace(failure);
  }

  /** Answers a refusal in place of the application: nothing that it did so far is stored or seen. What has begun is cut off. */
  refuse(refusal: Refusal): void {
    const response = this.#response;
    const reply = replyTo(refusal);
    if (response.writableEnded || response.destroyed || this.#hold?.refuse(reply)) return;
    this.#replace(reply);
  }

  #replace(reply: Reply): void {
    const response = this.#response;
    if (response.writableEnded || response.destroyed) return;
    if (response.headersSent) {
      response.destroy();
      return;
    }
    clearFields(response);
    sendReply(this.#request, response, reply);
  }
}

/** Whether fields must still be there whatever the application does to the head: all but `Vary`. */
function needsHold(fields: readonly HeaderField[]): boolean {
  return fields.some(([name]) => name.toLowerCase() !== 'vary');
}
