import type { z } from '@hono/zod-openapi';
import type { Environment, SessionManager } from '@sessionkit/session-core';
import type { Access, Login, Operator } from './auth.js';
import type { Links } from './documents.js';
import { AdminError } from './errors.js';
import type { Feed } from './feed.js';
import type { Preconditions, Validators } from './preconditions.js';
import { type RawQuery, refuseTokens } from './query/query.js';
import type { ReverseDns } from './rdns.js';
import type { System } from './system.js';
import type { Account } from './users.js';

/** Where metrics come from, such as `createMetrics` of `@sessionkit/metrics`. */
export interface MetricsText {
  /** `Content-Type` of the text. */
  readonly contentType: string;
  /** All of them, in the text format of Prometheus. */
  text(): Promise<string>;
}

/** What a handler is given besides the checked input. */
export interface Call {
  readonly manager: SessionManager;
  readonly environment: Environment;
  readonly system: System;
  readonly rdns: ReverseDns;
  readonly user: Operator;
  readonly links: Links;
  /** All parameters as they came; for what collections and documents have in common. */
  readonly query: RawQuery;
  /** What the state of a resource must be for the request to be done. */
  readonly conditions: Preconditions;
  /** Whether the user may see what clients told of themselves, and what they did. */
  readonly activity: boolean;
  /** Whether documents show the data of sessions, and not only the names of its keys. */
  readonly showData: boolean;
  readonly login: Login;
  /** Whether the same user would be let in by the same request now, with the same rights. Never rejects. */
  mayStay(): Promise<boolean>;
  /** What happens to sessions. */
  readonly feed: Feed;
  /** Undefined: the process keeps none. */
  readonly metrics: MetricsText | undefined;
  /** Nobody on the way can read along: TLS, or a connection within the machine. */
  readonly secure: boolean;
  /** Users and tokens; undefined where the application that embeds the API knows its operators itself. */
  readonly access: Access | undefined;
}

export type Answer =
  /** Empty. */
  | { readonly status: 200 | 204 }
  /** The reader has it already. */
  | { readonly status: 304; readonly validators: Validators | undefined }
  | {
      readonly status: 200;
      readonly document: unknown;
      /** Besides those of every answer, and before them. */
      readonly headers?: Readonly<Record<string, string>> | undefined;
      /** Of a resource whose states are told apart. */
      readonly validators?: Validators | undefined;
    }
  /** No JSON, as it is. */
  | { readonly status: 200; readonly text: string; readonly headers: Readonly<Record<string, string>> }
  | {
      /** Events; it goes on until the reader goes, or has to. */
      readonly status: 200;
      readonly stream: ReadableStream<Uint8Array>;
      readonly headers: Readonly<Record<string, string>>;
    }
  /** JSON that is made while it is sent, indented or not. */
  | { readonly status: 200; readonly pieces: (pretty: boolean) => AsyncGenerator<string, void, void> };

/** Input as it came; `query` has lower-case names. */
interface RawInput {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  /** Parsed JSON; undefined when the route takes no body. */
  readonly body: unknown;
}

/** Checked input, for the access log: it holds nothing but what the schemas let through. */
export interface CheckedInput {
  readonly params: Readonly<Record<string, unknown>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

interface RouteHead {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** With `{name}` for a parameter, as OpenAPI writes it. */
  readonly path: string;
  /** What the access log calls it. */
  readonly action: string;
  readonly summary: string;
  /** The least a user must be. */
  readonly role: Account;
  /** The handler checks the preconditions of a change itself, on the state that is to be changed. Otherwise the resource has no states to tell apart. */
  readonly guarded?: boolean | undefined;
  /** A token is no credential for it. Default false. */
  readonly passwordOnly?: boolean | undefined;
  /** Type of the answers that have a document. Default: `application/json`. */
  readonly media?: string | undefined;
  /** Schemas of the answers that have a document, by status; undefined for an empty one. */
  readonly answers: Readonly<Record<number, z.ZodType | undefined>>;
}

interface Definition<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType> extends RouteHead {
  readonly params: P;
  readonly query: Q;
  /** Left out: the route takes no body. */
  readonly body?: B;
  handle(
    input: { readonly params: z.output<P>; readonly query: z.output<Q>; readonly body: z.output<B> },
    call: Call,
  ): Promise<Answer>;
}

/** One line of the table, its types of input closed over. */
export interface Route extends RouteHead {
  readonly params: z.ZodObject;
  readonly query: z.ZodObject;
  readonly body: z.ZodType | undefined;
  /**
   * Checks all input, tells it to `onChecked`, and only then acts.
   * @throws AdminError 400 or 404 for the input, 412 for the preconditions; whatever the handler throws.
   */
  run(raw: RawInput, call: Call, onChecked: (input: CheckedInput) => void): Promise<Answer>;
}

/** Understood everywhere: `pretty` is for the answer, and `sync` is sent along by command-line clients and has no meaning here. */
const COMMON_QUERY = ['pretty', 'sync'];

export function route<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType = z.ZodUndefined>(
  definition: Definition<P, Q, B>,
): Route {
  const { params, query, body, handle, ...rest } = definition;
  const names = new Set([...COMMON_QUERY, ...Object.keys(query.shape)]);
  return {
    ...rest,
    params,
    query,
    body,
    async run(raw, call, onChecked) {
      refuseTokens(raw.query, names);
      if (definition.method !== 'get') checkNames(raw.query, names);
      const input = {
        params: check(params, raw.params, 404, 'the path'),
        query: check(query, raw.query, 400, 'the query'),
        // Without a schema there is no body, and B is that of undefined.
        body: body === undefined ? (undefined as z.output<B>) : check(body, raw.body, 400, 'the body'),
      };
      onChecked(input);
      const { conditions } = call;
      if (definition.method !== 'get') {
        if (definition.guarded !== true) conditions.check(undefined);
        return handle(input, call);
      }
      const answer = await handle(input, call);
      const validators = 'validators' in answer ? answer.validators : undefined;
      conditions.check(validators);
      return conditions.unchanged(validators) ? { status: 304, validators } : answer;
    },
  };
}

function check<S extends z.ZodType>(schema: S, value: unknown, status: number, whole: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new AdminError(
    status,
    result.error.issues.flatMap((issue) => {
      // A check that knows the words of the contract.
      if (issue.code === 'custom' && typeof issue.params?.detail === 'string') return issue.params.detail;
      const at = issue.path.join('.') || whole;
      if (issue.code !== 'unrecognized_keys') return `${at}: ${issue.message}`;
      return issue.keys.map((key) => `${at}: unknown name ${quoted(key)}`);
    }),
  );
}

function checkNames(query: Readonly<Record<string, string>>, names: ReadonlySet<string>): void {
  const unknown = Object.keys(query).filter((name) => !names.has(name));
  if (unknown.length === 0) return;
  throw new AdminError(
    400,
    unknown.map((name) => `the query: unknown name ${quoted(name)}`),
  );
}

/** A name that came, unless it could be something secret put in the wrong place. */
function quoted(name: string): string {
  return /^[\w[\]-]{1,32}$/.test(name) ? `'${name}'` : '(not shown)';
}
