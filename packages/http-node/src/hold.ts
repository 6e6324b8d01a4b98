import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  failure,
  type HeaderField,
  type Refusal,
  type Reply,
  replyTo,
  type Visit,
} from '@sessionkit/session-core';
import { clearFields, fieldValue, setFields } from './fields.js';
import { checkChunk, coded, type HeadArguments, takeHead } from './given.js';
import { logFault } from './log.js';
import { sendReply } from './reply.js';
import type { HttpSettings } from './settings.js';
import { Sources } from './sources.js';

type Done = (error?: Error | null) => void;

/** What the application did to the answer while it was held. */
type Operation =
  | { readonly kind: 'flush' }
  | {
      readonly kind: 'write' | 'end';
      readonly chunk: unknown;
      readonly encoding: BufferEncoding | undefined;
      readonly done: Done | undefined;
    };

/**
 * `open`: nothing of the answer was asked to go out. `storing`: it was, and waits for the store. `sent`: node has it. `replaced`: another
 * answer went out, what the application still writes is dropped. `over`: the client has gone.
 */
type Phase = 'open' | 'storing' | 'sent' | 'replaced' | 'over';

/**
 * Stands in node's place for that field as long as the application's head waits here. By it node itself, and libraries that look at it, see the head as
 * written: `headersSent` is true, `setHeader` throws `ERR_HTTP_HEADERS_SENT`.
 */
interface Marked {
  _header: string | null;
}
const MARK = 'held';

/**
 * Keeps an answer back until the changes of its visit are stored: what the application writes waits here, in order, and goes out with the fields of the
 * visit, or is dropped for a refusal when the store says no. After the head has gone out only the end waits, and only for later changes.
 */
export class Hold {
  readonly #visit: Visit;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #settings: HttpSettings;
  readonly #onRefusal: ((refusal: Refusal) => void) | undefined;
  readonly #native: Pick<ServerResponse, 'writeHead' | 'write' | 'end' | 'flushHeaders'>;
  readonly #sources: Sources;
  #phase: Phase;
  #queue: Operation[] = [];
  /** The head as the application had it when it asked for it to be written. */
  #head: { readonly explicit: boolean; readonly status: number; readonly message: string } | undefined;
  /** The head waits here and not in node. */
  #marked = false;
  /** Somebody was told to wait for `drain`. */
  #waiting = false;
  /** The end has waited for later changes; what is changed after it comes too late. */
  #endStored = false;

  constructor(
    visit: Visit,
    request: IncomingMessage,
    response: ServerResponse,
    settings: HttpSettings,
    onRefusal: ((refusal: Refusal) => void) | undefined,
  ) {
    this.#onRefusal = onRefusal;
    this.#visit = visit;
    this.#request = request;
    this.#response = response;
    this.#settings = settings;
    this.#phase = response.headersSent ? 'sent' : 'open';
    this.#sources = new Sources(request, response);
    const { writeHead, write, end, flushHeaders } = response;
    this.#native = { writeHead, write, end, flushHeaders };
    response.writeHead = ((...head: [number]) => this.#writeHead(head)) as ServerResponse['writeHead'];
    response.flushHeaders = () => this.#flushHeaders();
    response.write = ((chunk: unknown, encoding?: unknown, done?: unknown) =>
      this.#write(chunk, encoding, done)) as ServerResponse['write'];
    response.end = ((chunk?: unknown, encoding?: unknown, done?: unknown) =>
      this.#end(chunk, encoding, done)) as ServerResponse['end'];
  }

  /** Answers a refusal in place of the application. False when something has gone out or is about to. */
  refuse(reply: Reply): boolean {
    if (this.#phase !== 'open') return false;
    this.#replace(reply, undefined);
    return true;
  }

  /** The answer is over, or the client has gone: what still waits is dropped. */
  close(): void {
    // Whoever still writes to a replaced answer goes on writing into nothing.
    if (this.#phase === 'over' || this.#phase === 'replaced') return;
    this.#phase = 'over';
    this.#sources.forget();
    this.#unmark();
    this.#drop(coded(new Error('The client has gone'), 'ERR_STREAM_DESTROYED'));
  }

  #writeHead(head: HeadArguments): ServerResponse {
    const response = this.#response;
    if (this.#phase === 'replaced') return response;
    if (this.#phase === 'sent' || this.#phase === 'over') {
      return this.#native.writeHead.apply(response, head as Parameters<ServerResponse['writeHead']>);
    }
    if (response.headersSent) {
      throw coded(
        new Error('Cannot write headers after they are sent to the client'),
        'ERR_HTTP_HEADERS_SENT',
      );
    }
    takeHead(response, head);
    this.#keepHead(true);
    return response;
  }

  #flushHeaders(): void {
    if (this.#phase === 'open') this.#begin();
    if (this.#phase === 'storing') this.#queue.push({ kind: 'flush' });
    else if (this.#phase !== 'replaced') this.#native.flushHeaders.call(this.#response);
  }

  #write(chunk: unknown, encoding: unknown, done: unknown): boolean {
    const operation = toOperation('write', chunk, encoding, done);
    if (this.#phase === 'open') {
      checkChunk(chunk);
      this.#begin();
    }
    if (this.#phase === 'storing') {
      checkChunk(chunk);
      this.#queue.push(operation);
      this.#waiting = true;
      return false;
    }
    if (this.#phase === 'replaced') {
      this.#ignore(operation.done);
      return true;
    }
    return this.#native.write.call(
      this.#response,
      chunk,
      operation.encoding as BufferEncoding,
      operation.done,
    );
  }

  #end(chunk: unknown, encoding: unknown, done: unknown): ServerResponse {
    const response = this.#response;
    const operation = toOperation('end', chunk, encoding, done);
    if (this.#phase === 'open' || this.#phase === 'storing') {
      if (operation.chunk) checkChunk(operation.chunk);
    }
    if (this.#phase === 'open') this.#begin();
    if (this.#phase === 'sent' && this.#visit.pending && !response.writableEnded) this.#storeLate();
    if (this.#phase === 'storing') {
      this.#queue.push(operation);
      Object.defineProperty(response, 'writableEnded', { value: true, configurable: true });
      return response;
    }
    if (this.#phase === 'replaced') this.#ignore(operation.done);
    else this.#nativeEnd(operation);
    return response;
  }

  #keepHead(explicit: boolean): void {
    const response = this.#response;
    this.#head = { explicit, status: response.statusCode, message: response.statusMessage };
    (response as unknown as Marked)._header = MARK;
    this.#marked = true;
  }

  #unmark(): void {
    delete (this.#response as { writableEnded?: boolean }).writableEnded;
    if (!this.#marked) return;
    this.#marked = false;
    (this.#response as unknown as Marked)._header = null;
  }

  /** The first byte is asked for. */
  #begin(): void {
    if (this.#head === undefined) this.#keepHead(false);
    const visit = this.#visit;
    if (!visit.pending) {
      this.#release(visit.headers);
      return;
    }
    this.#phase = 'storing';
    const response = this.#response;
    visit
      .finish({ status: response.statusCode, cacheControl: fieldValue(response, 'cache-control') })
      .then(
        (fields) => this.#release(fields),
        (fault: unknown) => this.#refused(fault),
      )
      .catch((fault: unknown) => this.#cut('node refused what the application made of it', fault));
  }

  #release(fields: readonly HeaderField[]): void {
    if (this.#phase === 'over') return;
    const response = this.#response;
    this.#phase = 'sent';
    this.#sources.forget();
    this.#unmark();
    setFields(response, fields);
    if (this.#head !== undefined) {
      response.statusCode = this.#head.status;
      response.statusMessage = this.#head.message;
      if (this.#head.explicit) this.#native.writeHead.call(response, this.#head.status);
    }
    this.#replay();
  }

  /** Hands to node what waited, in order. */
  #replay(): void {
    const response = this.#response;
    let more = true;
    let ended = false;
    for (const [index, operation] of this.#queue.entries()) {
      if (operation.kind === 'flush') this.#native.flushHeaders.call(response);
      else if (operation.kind === 'end') {
        if (!this.#endStored && this.#visit.pending) {
          this.#queue.splice(0, index);
          Object.defineProperty(response, 'writableEnded', { value: true, configurable: true });
          this.#storeLate();
          return;
        }
        ended = true;
        this.#nativeEnd(operation);
      } else {
        const { chunk, encoding, done } = operation;
        more = this.#native.write.call(response, chunk, encoding as BufferEncoding, done);
      }
    }
    this.#queue = [];
    if (this.#waiting && more && !ended) response.emit('drain');
    this.#waiting = false;
  }

  #nativeEnd({ chunk, encoding, done }: Extract<Operation, { readonly done: unknown }>): void {
    this.#native.end.call(this.#response, chunk, encoding as BufferEncoding, done as () => void);
  }

  /** Stores what was changed after the head had gone out; the end of the answer waits for it. */
  #storeLate(): void {
    this.#phase = 'storing';
    this.#endStored = true;
    this.#visit
      .finish(undefined)
      .then(() => {
        if (this.#phase === 'over') return;
        this.#phase = 'sent';
        this.#unmark();
        this.#replay();
      })
      .catch((fault: unknown) => this.#cut('its last changes could not be stored', fault));
  }

  #refused(fault: unknown): void {
    if (this.#phase === 'over') return;
    const refusal = this.#visit.refuse(fault);
    if (refusal === undefined || refusal.status >= 500) {
      logFault(
        this.#settings,
        this.#visit,
        'the answer was replaced: its changes could not be stored',
        fault,
      );
    }
    if (refusal !== undefined) this.#onRefusal?.(refusal);
    this.#replace(refusal === undefined ? failure : replyTo(refusal), fault);
  }

  #replace(reply: Reply, fault: unknown): void {
    const response = this.#response;
    const ended = this.#queue.some(({ kind }) => kind === 'end');
    this.#phase = 'sent';
    this.#unmark();
    clearFields(response);
    sendReply(this.#request, response, reply, this.#native.end);
    this.#phase = 'replaced';
    this.#drop(fault instanceof Error ? fault : new Error('The answer was replaced'));
    // Who still writes would wait for good: loops go on into nothing, and streams end.
    if (ended) this.#sources.forget();
    else this.#sources.destroyAfter();
    if (this.#waiting && !ended) process.nextTick(() => response.emit('drain'));
  }

  /** The head is out and the rest cannot be vouched for: the client has to see that the answer is not whole. */
  #cut(why: string, fault: unknown): void {
    if (this.#phase === 'over') return;
    logFault(this.#settings, this.#visit, `the answer was cut off: ${why}`, fault);
    this.#response.destroy();
    this.close();
  }

  #drop(error: Error): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const operation of queue) {
      if (operation.kind !== 'flush' && operation.done !== undefined) process.nextTick(operation.done, error);
    }
  }

  #ignore(done: Done | undefined): void {
    if (done !== undefined) process.nextTick(done);
    else process.nextTick(() => this.#response.emit('drain'));
  }
}

/** Sorts the arguments of `write` and `end`: each of them may be the callback. */
function toOperation<Kind extends 'write' | 'end'>(
  kind: Kind,
  chunk: unknown,
  encoding: unknown,
  done: unknown,
) {
  if (typeof chunk === 'function') {
    return { kind, chunk: undefined, encoding: undefined, done: chunk as Done };
  }
  if (typeof encoding === 'function') return { kind, chunk, encoding: undefined, done: encoding as Done };
  return {
    kind,
    chunk,
    encoding: encoding as BufferEncoding | undefined,
    done: typeof done === 'function' ? (done as Done) : undefined,
  };
}
