import { type IncomingHttpHeaders, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Asking {
  readonly method?: string | undefined;
  /** The `Cookie` header. */
  readonly cookie?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** Sends a request, and waits for the whole answer. */
export function ask(url: string, { method = 'GET', cookie, headers }: Asking = {}): Promise<Answer> {
  const fields = { ...headers, ...(cookie !== undefined && { cookie }) };
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers: fields, agent: false }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const { statusCode: status = 0, headers } = incoming;
        resolve({ status, headers, body: Buffer.concat(chunks).toString() });
      });
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** The `Set-Cookie` of an answer that sets one; empty when there is none. */
export const setCookie = ({ headers }: Answer): string => headers['set-cookie']?.[0] ?? '';

/** What a browser sends back: `name=value`. */
export const cookieOf = (answer: Answer): string => setCookie(answer).split(';', 1)[0] ?? '';

/** The token in a cookie. */
export const tokenOf = (cookie: string): string => cookie.slice(cookie.indexOf('=') + 1);

/** What makes a token a credential. */
export const secretOf = (cookie: string): string => tokenOf(cookie).split('.')[1] ?? '';

/** The code of a refusal; undefined when it is none. */
export function codeOf({ headers, body }: Answer): unknown {
  return headers['content-type'] === 'application/problem+json'
    ? (JSON.parse(body) as { readonly code?: unknown }).code
    : undefined;
}
