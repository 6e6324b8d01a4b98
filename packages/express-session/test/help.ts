import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { CookieJar } from 'tough-cookie';
import { onTestFinished } from 'vitest';

/** The real libraries, without their types: these would add to the types of Express for the whole workspace. */
export const load = createRequire(import.meta.url) as (name: string) => unknown;

export type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

export interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly cookies: readonly string[];
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  readonly json: unknown;
}

/** A browser: a real cookie jar, and nothing that follows a redirect by itself. */
export class Browser {
  constructor(
    public port: number,
    readonly jar: CookieJar = new CookieJar(),
  ) {}

  /** A copy of the browser as it is now, to send several requests with the same cookies. */
  async copy(): Promise<Browser> {
    return new Browser(this.port, await this.jar.clone());
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.ask('GET', path, undefined, headers);
  }

  post(path: string, form: Record<string, string> = {}): Promise<Answer> {
    return this.ask('POST', path, new URLSearchParams(form).toString());
  }

  async ask(
    method: string,
    path: string,
    body?: string,
    given: Record<string, string> = {},
  ): Promise<Answer> {
    const url = `http://127.0.0.1:${this.port}${path}`;
    const cookie = await this.jar.getCookieString(url);
    const headers: Record<string, string> = { ...given };
    if (cookie !== '') headers.cookie = cookie;
    if (body !== undefined) headers['content-type'] = 'application/x-www-form-urlencoded';
    const { status, text, location, cookies } = await new Promise<Omit<Answer, 'json'>>((resolve, reject) => {
      const asked = request(url, { method, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            text: Buffer.concat(chunks).toString(),
            location: response.headers.location,
            cookies: response.headers['set-cookie'] ?? [],
          }),
        );
      });
      asked.on('error', reject);
      asked.end(body);
    });
    for (const field of cookies) await this.jar.setCookie(field, url);
    return { status, text, location, cookies, json: parsed(text) };
  }

  /** Names of the cookies that it has. */
  async names(): Promise<readonly string[]> {
    const cookies = await this.jar.getCookies(`http://127.0.0.1:${this.port}/`);
    return cookies.map(({ key }) => key).sort();
  }

  async value(name: string): Promise<string | undefined> {
    const cookies = await this.jar.getCookies(`http://127.0.0.1:${this.port}/`);
    return cookies.find(({ key }) => key === name)?.value;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Serves until the test is over; answers the port. */
export async function serve(
  listener: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return (server.address() as AddressInfo).port;
}
