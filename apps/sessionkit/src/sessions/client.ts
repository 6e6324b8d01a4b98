import * as http from 'node:http';
import { STATUS_CODES } from 'node:http';
import * as https from 'node:https';
import type { SessionId } from '@sessionkit/session-core';
import type { Target } from './target.js';

/** A session as the admin API shows it. Attributes are not listed here: what it shows is printed. */
export interface SessionResource {
  readonly id: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly relationships: Readonly<Record<string, unknown>>;
}

/** Why the API did not do what was asked, in words for whoever asked. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** Of its answer; undefined when there was none. */
  readonly status: number | undefined;
  /** What the answer says, one by one. */
  readonly details: readonly string[];

  constructor(message: string, status?: number, cause?: unknown, details: readonly string[] = []) {
    super(message, { cause });
    this.status = status;
    this.details = details;
  }
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Before every id. */
const FIRST = `s${'0'.repeat(26)}` as SessionId;
const PAGE = 500;

/** The admin API over HTTP. Every method throws {@link ApiError}. */
export class AdminClient {
  readonly #target: Target;
  readonly #agent: http.Agent;
  readonly #send: typeof http.request;

  constructor(target: Target) {
    this.#target = target;
    const { ca, certificate } = target;
    if (target.url.startsWith('https:')) {
      this.#agent = new https.Agent({
        keepAlive: true,
        ...(ca && { ca: [...ca], allowPartialTrustChain: true }),
        ...certificate,
      });
      this.#send = https.request;
    } else {
      this.#agent = new http.Agent({ keepAlive: true });
      this.#send = http.request;
    }
  }

  /** All sessions that fit, a page at a time, asked for when the one before was taken. */
  async *pages(query: Readonly<Record<string, string>>): AsyncGenerator<readonly SessionResource[]> {
    let after: string = FIRST;
    for (;;) {
      const asked = { ...query, 'page[size]': String(PAGE), 'page[after]': after, pretty: 'false' };
      const { data, links } = documentOf(await this.#ask('GET', '/v1/sessions', asked));
      if (!Array.isArray(data) || !data.every(isSession)) throw strange('the answer is no list of sessions');
      yield data;
      const next = nextOf(links);
      if (next === undefined) return;
      // A server that turns in circles would be listed for ever.
      if (next <= after) throw strange('the next page is none that follows');
      after = next;
    }
  }

  async show(id: string, query: Readonly<Record<string, string>>): Promise<SessionResource> {
    const { data } = documentOf(await this.#ask('GET', pathOf(id), { ...query, pretty: 'false' }));
    if (!isSession(data)) throw strange('the answer is no session');
    return data;
  }

  /** @param ttl in seconds; undefined: now */
  async end(id: string, ttl: number | undefined): Promise<void> {
    await this.#ask('DELETE', pathOf(id), ttl === undefined ? {} : { ttl: String(ttl) });
  }

  async alter(id: string, data: unknown): Promise<void> {
    await this.#ask('PATCH', pathOf(id), {}, { data });
  }

  /** Has the process read its configuration again. Answers what is different, such as `services.shop changed`. */
  async reload(): Promise<readonly string[]> {
    const { meta } = documentOf(await this.#ask('POST', '/v1/maxscale/reload', {}));
    if (!isObject(meta) || !Array.isArray(meta.changes)) throw strange('the answer tells no changes');
    return meta.changes.filter(isObject).map(({ what, path }) => `${String(path)} ${String(what)}`);
  }

  close(): void {
    this.#agent.destroy();
  }

  async #ask(
    method: string,
    path: string,
    query: Readonly<Record<string, string>>,
    body?: unknown,
  ): Promise<string> {
    const { url, user } = this.#target;
    const search = new URLSearchParams(query).toString();
    const { status, text } = await this.#exchange(
      method,
      `${url}${path}${search === '' ? '' : `?${search}`}`,
      body,
    );
    if (status === 200 || status === 204) return text;
    const each = detailsOf(text);
    const details = each?.join('; ');
    const said = `${status} ${STATUS_CODES[status] ?? ''}`.trim();
    if (status === 401) throw new ApiError(this.#denied(method === 'GET'), status);
    if (details === undefined)
      throw new ApiError(`${url} answered ${said}, and not as the admin API does; is the URL right?`, status);
    if (status === 403) throw new ApiError(`${user} may not do this: ${details}`, status);
    throw new ApiError(status === 404 ? details : `${details} (${said})`, status, undefined, each);
  }

  #denied(reads: boolean): string {
    const { url, user, passwordFrom } = this.#target;
    const who = `${url} refuses the user ${user} with the password from ${passwordFrom}`;
    return reads ? who : `${who}, or ${user} may only read`;
  }

  #exchange(method: string, url: string, body: unknown): Promise<Answer> {
    const { user, password, timeout } = this.#target;
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const request = this.#send(url, {
        agent: this.#agent,
        method,
        auth: `${user}:${password}`,
        timeout,
        headers: {
          accept: 'application/json',
          ...(text && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        },
      });
      const fail = (cause: NodeJS.ErrnoException) =>
        reject(new ApiError(this.#unreachable(cause), undefined, cause));
      request.once('timeout', () =>
        request.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })),
      );
      request.once('error', fail);
      request.once('response', (response) => {
        let received = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          received += chunk;
        });
        response.once('error', fail);
        response.once('end', () => resolve({ status: response.statusCode ?? 0, text: received }));
      });
      request.end(text);
    });
  }

  #unreachable(cause: NodeJS.ErrnoException): string {
    const { url, timeout, caConfigured } = this.#target;
    const code = cause.code ?? cause.message;
    const why = REASONS[code];
    if (why !== undefined) return `${url}: ${why}`;
    if (code === 'ETIMEDOUT')
      return `${url} has said nothing for ${timeout / 1000} s; --timeout waits longer`;
    if (/_ALERT_.*CERT/.test(code))
      return `${url}: it refuses your certificate, or asks for one (${code}); give it by --cert and --key`;
    if (/CERT|SIGNATURE|ISSUER|SELF_SIGNED/.test(code)) {
      const trusted = caConfigured
        ? 'it is not that of admin.tls.cert; if that file is newer than the program, SIGHUP has the program read it'
        : '--ca FILE names the certificates to trust';
      return `${url}: its certificate is not trusted (${code}); ${trusted}`;
    }
    if (/SSL|TLS|EPROTO/.test(code))
      return `${url} does not speak TLS as expected (${code}); is it http:// or https://?`;
    return `${url} cannot be asked (${code})`;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED:
    'nothing listens there; is the program running, and is that its admin API? --url names another one',
  ECONNRESET:
    'the connection was cut in the middle of the answer; was the program stopped, or is it https:// in place of http://?',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the name of the host cannot be looked up at the moment',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'its certificate is for another name; --url must name the host as the certificate does',
};

const pathOf = (id: string) => `/v1/sessions/${encodeURIComponent(id)}`;

interface Document {
  readonly data?: unknown;
  readonly links?: unknown;
  readonly meta?: unknown;
}

function documentOf(text: string): Document {
  const document = parse(text);
  if (!isObject(document)) throw strange('the answer is no JSON document');
  return document;
}

function isSession(value: unknown): value is SessionResource {
  return (
    isObject(value) &&
    typeof value.id === 'string' &&
    isObject(value.attributes) &&
    isObject(value.relationships)
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Only the id is taken from the link: the password does not follow a server to another host. */
function nextOf(links: unknown): string | undefined {
  if (!isObject(links) || typeof links.next !== 'string') return undefined;
  return new URL(links.next).searchParams.get('page[after]') ?? undefined;
}

function detailsOf(text: string): readonly string[] | undefined {
  const document = parse(text);
  if (!isObject(document) || !Array.isArray(document.errors)) return undefined;
  return document.errors.map((error: unknown) => (isObject(error) ? String(error.detail) : ''));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function strange(what: string): ApiError {
  return new ApiError(`${what}; is the URL that of the admin API?`);
}
