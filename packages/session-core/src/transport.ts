import type { Token } from './id.js';
import type { ClientCode } from './lists.js';

/** One header field of an answer. */
export type HeaderField = readonly [name: string, value: string];

/** As much of a request as a transport needs, without a `Headers` or `URL` object built for it. */
export interface RequestView {
  /** Upper case. */
  readonly method: string;
  /** Value of a header by its lower-case name; repeated fields are joined (`; ` for cookie, `, ` else). */
  header(name: string): string | undefined;
  /** Decoded values of a query parameter, in order. */
  query(name: string): readonly string[];
}

/** What an answer is made for. */
export interface AnswerContext {
  /** Whether the client's connection is encrypted, as far as trusted proxies tell. */
  readonly secure: boolean;
}

/**
 * How a token travels in HTTP. Knows no sessions and no stores.
 *
 * `read` must not trust what it finds, must not throw on it, and costs nothing when there is nothing.
 */
export interface Transport {
  /** `cookie`, `token`, `bearer`, or a third party's name. */
  readonly type: string;
  /** Browsers send it on their own, so that unsafe cross-site requests are refused. */
  readonly ambient: boolean;
  /** A value that has not the form of a token is no token at all (it may be somebody's JWT), rather than a malformed one. */
  readonly lenient: boolean;
  /** Where it travels, so that a gateway can take it out on the way up and down. Names of headers in lower case. */
  readonly carrier: {
    readonly cookie?: string;
    readonly query?: string;
    readonly requestHeader?: string;
    readonly responseHeader: string;
  };
  /** Value for `Vary` of an answer that depends on this transport; undefined when the URL tells. */
  readonly vary: string | undefined;

  /** What the request carries, unchecked, in order; at most three values. */
  read(request: RequestView): readonly string[];

  /** The fields that hand `token` to the client. `maxAge` is what is left of the session, in whole seconds. */
  issue(token: Token, maxAge: number, context: AnswerContext): readonly HeaderField[];

  /** The fields that take a dead token from the client; none when the client itself keeps it. */
  clear(context: AnswerContext): readonly HeaderField[];

  /** Fields that a refusal adds, such as `WWW-Authenticate`. `presented` says whether the request carried a token this way. */
  challenge(code: ClientCode, presented: boolean): readonly HeaderField[];
}
