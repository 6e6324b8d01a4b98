import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSessionManager } from '@sessionkit/session-core';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { afterAll, onTestFinished } from 'vitest';
import { createAdminApi } from '../src/index.js';

/** As far as it is read here. */
export interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Media>> }>>;
}

interface Media {
  readonly schema: { readonly anyOf?: readonly unknown[] };
}

/** The document as the API serves it. */
export async function openApiDocument(): Promise<Document> {
  const manager = createSessionManager();
  const api = createAdminApi({ manager, authenticate: () => ({ name: 'reader', account: 'basic' }) });
  const response = await api.fetch(new Request('http://localhost/v1/openapi.json'));
  await manager.close();
  return (await response.json()) as Document;
}

const ROOT = 'openapi.json';
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const pointer = (...path: readonly string[]) =>
  path.map((name) => `/${encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('');

/** Holds answers against an OpenAPI document. */
export class Conformance {
  readonly #document: Document;
  readonly #ajv: Ajv2020;
  readonly #paths: readonly { readonly path: string; readonly form: RegExp }[];
  readonly #validators = new Map<string, ValidateFunction>();

  constructor(document: Document) {
    this.#document = document;
    this.#ajv = new Ajv2020({ strict: false, validateSchema: false });
    formats.default(this.#ajv);
    this.#ajv.addSchema(document, ROOT);
    this.#paths = Object.keys(document.paths)
      .sort((a, b) => a.split('{').length - b.split('{').length)
      .map((path) => {
        const parts = path.split(/\{\w+\}/).map((text) => text.replace(/[.\\]/g, '\\$&'));
        return { path, form: new RegExp(`^${parts.join('[^/]+')}$`) };
      });
  }

  /** What is wrong with an answer; undefined when it is as the document says. @param path without trailing slashes */
  problem(
    method: string,
    path: string,
    query: URLSearchParams,
    status: number,
    text: string,
  ): string | undefined {
    const where = `${method} ${path} ${status}`;
    if (method === 'HEAD' || status === 304) return text === '' ? undefined : `${where}: has a body`;
    if (method === 'OPTIONS' && status === 200) return text === '' ? undefined : `${where}: has a body`;
    const found = this.#find(method, path);
    const key = found === undefined ? undefined : this.#statusOf(found, status);
    if (found === undefined || key === undefined) {
      if (status < 400) return `${where}: the document has no such ${found ? 'status' : 'operation'}`;
      return this.#check(where, text, pointer('components', 'schemas', 'Errors'));
    }
    const at = [...found, 'responses', key];
    const content = this.#operation(found)?.responses[key]?.content ?? {};
    if ('text/event-stream' in content)
      return this.#checkEvents(where, text, pointer(...at, 'content', 'text/event-stream', 'schema'));
    if ('text/plain' in content) return text === '' ? `${where}: has no body` : undefined;
    const media = content['application/json'];
    if (media === undefined)
      return text === '' ? undefined : `${where}: has a body, and the document says none`;
    const sparse = [...query.keys()].some((name) => /^fields\[/i.test(name));
    const whole = media.schema.anyOf !== undefined && !sparse ? ['anyOf', '0'] : [];
    return this.#check(where, text, pointer(...at, 'content', 'application/json', 'schema', ...whole));
  }

  /** The version may be left out. Like the server it takes a path as it stands before one with a parameter: `events` is no id. */
  #find(method: string, path: string): readonly string[] | undefined {
    const candidates = [path, `/v1${path}`];
    for (const candidate of candidates) {
      const at = ['paths', candidate, method.toLowerCase()];
      if (this.#operation(at) !== undefined) return at;
    }
    for (const candidate of candidates) {
      for (const { path: template, form } of this.#paths) {
        if (!form.test(candidate)) continue;
        const at = ['paths', template, method.toLowerCase()];
        if (this.#operation(at) !== undefined) return at;
      }
    }
    return undefined;
  }

  #operation([, path = '', method = '']: readonly string[]): Operation | undefined {
    return this.#document.paths[path]?.[method];
  }

  #statusOf(at: readonly string[], status: number): string | undefined {
    const { responses } = this.#operation(at) ?? { responses: {} };
    if (String(status) in responses) return String(status);
    return status >= 400 && 'default' in responses ? 'default' : undefined;
  }

  /** Each event is a document; the last one, which says why the stream ends, is none. */
  #checkEvents(where: string, text: string, at: string): string | undefined {
    for (const frame of text.split('\n\n').slice(0, -1)) {
      const [, name, data = ''] = /(?:^|\n)event: (.+)\ndata: (.+)$/.exec(frame) ?? [];
      const problem = name === undefined || name === 'end' ? undefined : this.#check(where, data, at);
      if (problem !== undefined) return problem;
      if (!/^(?:(?:id|event|data|retry): .+|:)(?:\n|$)/.test(frame)) return `${where}: ${frame} is no event`;
    }
    return text.startsWith('retry: ') ? undefined : `${where}: does not begin as a stream of events`;
  }

  #check(where: string, text: string, at: string): string | undefined {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return `${where}: is no JSON`;
    }
    let validate = this.#validators.get(at);
    if (validate === undefined) {
      validate = this.#ajv.compile({ $ref: `${ROOT}#${at}` });
      this.#validators.set(at, validate);
    }
    if (validate(value)) return undefined;
    const [first] = validate.errors ?? [];
    return `${where}: ${first?.instancePath} ${first?.message} ${JSON.stringify(first?.params)}`;
  }
}

let loading: Promise<Conformance> | undefined;
const load = async () => new Conformance(await openApiDocument());
let validated = 0;
let wrong = 0;

/** Each answer of `fetch` is held against the document when it has been read; what the test does not read is read when it ends. */
export async function conforming<P>(
  fetch: (request: Request, peer?: P) => Promise<Response>,
  basePath = '',
): Promise<(request: Request, peer?: P) => Promise<Response>> {
  loading ??= load();
  const conformance = await loading;
  return async (request, peer) => {
    // HTTP/1.1 servers hand over methods that a test alone would misspell.
    const { method, url } = request;
    const response = await fetch(request, peer);
    const { pathname, searchParams } = new URL(url);
    const below = pathname.startsWith(basePath) ? pathname.slice(basePath.length) : pathname;
    const path = below.replace(/^\/+/, '/').replace(/(?<=.)\/+$/, '');
    if (!METHODS.has(method) && response.status < 400) throw new Error(`${method} was answered`);
    return observed(response, (text) => {
      validated++;
      const problem = conformance.problem(method, path || '/', searchParams, response.status, text);
      if (problem === undefined) return;
      wrong++;
      throw new Error(`not as openapi.json says: ${problem}`);
    });
  };
}

/** The same answer, whose body is handed on as it is taken and told to `check` when it is whole. */
function observed(response: Response, check: (text: string) => void): Response {
  const { status, headers, body } = response;
  let problem: unknown;
  const finished = (text: string) => {
    try {
      check(text);
    } catch (error) {
      problem = error;
    }
  };
  onTestFinished(() => {
    if (problem !== undefined) throw problem;
  });
  if (body === null) {
    finished('');
    return response;
  }
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let over = false;
  const taken = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        // The reader has gone meanwhile.
        if (over) return;
        if (done) {
          over = true;
          finished(text + decoder.decode());
          controller.close();
          return;
        }
        text += decoder.decode(value, { stream: true });
        controller.enqueue(value);
      },
      async cancel(reason) {
        over = true;
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  onTestFinished(async () => {
    // A test that has begun to read it and stopped had its reason.
    if (over || taken.locked || text !== '') return;
    await new Response(taken).text().catch(() => {
      // It is cut, as a list is whose store was closed by the test.
    });
    if (problem !== undefined) throw problem;
  });
  return new Response(taken, { status, headers });
}

afterAll(() => {
  if (validated === 0) return;
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder === undefined) console.log(`openapi: ${validated} answers validated, ${wrong} wrong`);
  else appendFileSync(join(folder, 'openapi.txt'), `${validated} ${wrong}\n`);
});
