import type { z } from '@hono/zod-openapi';
import type { Environment, SessionManager } from '@sessionkit/session-core';
import type { Operator } from './auth.js';
import type { Links } from './documents.js';
import { AdminError } from './errors.js';
import type { Account } from './users.js';

/** What a handler is given besides the checked input. */
export interface Call {
  readonly manager: SessionManager;
  readonly environment: Environment;
  readonly user: Operator;
  readonly links: Links;
  /** Whether the user may see what clients told of themselves, and what they did. */
  readonly activity: boolean;
}

export type Answer =
  /** Empty. */
  | { readonly status: 200 | 204 }
  | { readonly status: 200; readonly document: unknown }
  /** JSON that is made while it is sent, indented or not. */
  | { readonly status: 200; readonly pieces: (pretty: boolean) => AsyncGenerator<string, void, void> }
  /** A collection that is fetched while it is sent. */
  | { readonly status: 200; readonly pages: AsyncIterable<readonly unknown[]>; readonly self: string };

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
  readonly method: 'get' | 'patch' | 'delete';
  /** With `{name}` for a parameter, as OpenAPI writes it. */
  readonly path: string;
  /** What the access log calls it. */
  readonly action: string;
  readonly summary: string;
  /** The least a user must be. */
  readonly role: Account;
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
   * @throws AdminError 400 or 404 for the input; whatever the handler throws.
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
      if (definition.method !== 'get') checkNames(raw.query, names);
      const input = {
        params: check(params, raw.params, 404, 'the path'),
        query: check(query, raw.query, 400, 'the query'),
        // Without a schema there is no body, and B is that of undefined.
        body: body === undefined ? (undefined as z.output<B>) : check(body, raw.body, 400, 'the body'),
      };
      onChecked(input);
      return handle(input, call);
    },
  };
}

function check<S extends z.ZodType>(schema: S, value: unknown, status: number, whole: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new AdminError(
    status,
    result.error.issues.flatMap((issue) => {
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
