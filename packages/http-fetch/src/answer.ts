import {
  type Access,
  checkAccess,
  failure,
  type HeaderField,
  replyTo,
  type Service,
  type Session,
  SessionError,
  type Visit,
} from '@sessionkit/session-core';
import { follow, isWhole } from './body.js';
import { keepFields, LASTING, toResponse, withFields } from './fields.js';
import { FetchRequest } from './request.js';
import { type FetchSettings, fetchSettings, type Peer } from './settings.js';

/** What is known of a request beyond itself. */
export interface Opening {
  /** Where it came from. Default: not known. */
  readonly peer?: Peer;
  /** Default: no proxy is trusted, faults are logged to stderr. */
  readonly settings?: FetchSettings | undefined;
}

const DEFAULTS = fetchSettings();

/**
 * Opens a visit for a request. Answer {@link FetchVisit.refused} where it is set; else make a `Response` and return what {@link FetchVisit.apply} makes of it.
 * Never rejects.
 */
export async function openFetch<Data = unknown, Input = Data>(
  service: Service<Data, Input>,
  request: Request,
  { peer, settings = DEFAULTS }: Opening = {},
): Promise<FetchVisit<Data, Input>> {
  const visit = await service.open(new FetchRequest(request, settings, peer));
  return new FetchVisit(service, visit, request, settings);
}

/** One request's use of a session, and the answer it goes into. */
export class FetchVisit<Data = unknown, Input = Data> {
  readonly session: Session<Data, Input>;
  /** Set: the request is refused. To be answered in place of the application, whose handler must not run. */
  readonly refused: Response | undefined;
  readonly #service: Service<Data, Input>;
  readonly #visit: Visit<Data, Input>;
  readonly #request: Request;
  readonly #settings: FetchSettings;
  /** The head of an answer has been made. */
  #answered = false;
  #kept = false;

  constructor(
    service: Service<Data, Input>,
    visit: Visit<Data, Input>,
    request: Request,
    settings: FetchSettings,
  ) {
    this.session = visit.session;
    this.#service = service;
    this.#visit = visit;
    this.#request = request;
    this.#settings = settings;
    visit.headSent = () => this.#answered;
    if (visit.refusal !== undefined) {
      this.refused = toResponse(replyTo(visit.refusal), request.method);
      this.close();
    }
  }

  /**
   * What to answer in place of a route that needs a session, a logged-in user, or a login within some time; undefined when it may run. Nothing that the request changed
   * so far is stored then.
   * @throws SessionError `CONFIG_INVALID` for a bad `access`.
   */
  require(access: Access = {}): Response | undefined {
    const refusal = this.#service.require(this.#visit, checkAccess(access));
    if (refusal === undefined) return undefined;
    this.close();
    return toResponse(replyTo(refusal), this.#request.method);
  }

  /**
   * Stores what was changed, and answers the `Response` to return: the given one with the fields of the visit, or a problem document when something could not be
   * stored. What is changed while its body streams is stored before the body ends. Never rejects for a fault of the store.
   */
  async apply(response: Response): Promise<Response> {
    if (this.#answered) return response;
    let fields: readonly HeaderField[] = this.#visit.headers;
    if (this.#visit.pending) {
      const cacheControl = response.headers.get('cache-control') ?? undefined;
      try {
        fields = await this.#visit.finish({ status: response.status, cacheControl });
      } catch (fault) {
        return this.#replace(response, fault);
      }
    }
    this.#answered = true;
    return this.#follow(withFields(response, fields));
  }

  /** Answers for a handler that failed: a `SessionError` by the refusal it stands for, anything else by a 500 that tells nothing. */
  fail(error: unknown): Promise<Response> {
    const refusal = error instanceof SessionError ? this.#visit.refuse(error) : undefined;
    if (refusal === undefined || refusal.status >= 500) this.#log('the handler failed', error);
    const { method } = this.#request;
    if (refusal === undefined) return this.apply(toResponse(failure, method));
    this.close();
    return Promise.resolve(toResponse(replyTo(refusal), method));
  }

  /** Keeps the visit open beyond its answer, for a socket: until {@link close} is called. Changes are stored by `session.commit()` then. */
  keep(): void {
    this.#kept = true;
  }

  /** Nothing more is stored or answered. Needed only where neither {@link apply} nor {@link fail} is called, or after {@link keep}. */
  close(): void {
    this.#answered = true;
    this.#visit.close();
  }

  #replace(response: Response, fault: unknown): Response {
    const refusal = this.#visit.refuse(fault);
    if (refusal === undefined || refusal.status >= 500) {
      this.#log('the answer was replaced: its changes could not be stored', fault);
    }
    this.close();
    const { method } = this.#request;
    const answer = toResponse(refusal === undefined ? failure : replyTo(refusal), method);
    keepFields(answer.headers, response.headers, LASTING);
    if (response.body !== null && !response.body.locked) cancel(response.body);
    return answer;
  }

  /** The visit stays open as long as the body streams. Without a stored session nothing can be changed any more. */
  async #follow(response: Response): Promise<Response> {
    if (this.#kept) return response;
    const visit = this.#visit;
    const { method } = this.#request;
    if (visit.session.id === undefined || method === 'HEAD' || isWhole(response)) {
      visit.close();
      return response;
    }
    const { body, status, statusText, headers } = response;
    if (body === null || body.locked) {
      visit.close();
      return response;
    }
    const { signal } = this.#request;
    const over = () => {
      signal.removeEventListener('abort', over);
      visit.close();
    };
    signal.addEventListener('abort', over, { once: true });
    const pending = () => visit.pending;
    const read = async () => {
      if (!visit.pending) return;
      await visit.finish(undefined).catch((fault: unknown) => {
        this.#log('the answer was cut off: its last changes could not be stored', fault);
        throw fault;
      });
    };
    return new Response(await follow(body, { pending, read, over }), { status, statusText, headers });
  }

  #log(what: string, error: unknown): void {
    const { method, url } = this.#request;
    const path = url.replace(/^[^:]*:\/\/[^/]*|[?#].*$/g, '');
    this.#settings.environment.log({
      level: 'error',
      message: `${method} ${path}: ${what}`,
      service: this.#visit.service,
      session: this.session.id,
      error,
    });
  }
}

/** Whoever makes the body learns of it; that it can't be ended is its own affair. */
function cancel(body: ReadableStream): void {
  body.cancel().catch(() => undefined);
}
