import { randomBytes } from 'node:crypto';
import http, { type IncomingHttpHeaders } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Ask extends Omit<http.RequestOptions, 'headers'> {
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** The session cookie, as `name=value`. */
  readonly cookie?: string | undefined;
  readonly body?: string | AsyncIterable<Uint8Array>;
  /** Called when the head has arrived. */
  readonly onHead?: (answer: http.IncomingMessage) => void;
}

/** Sends one request and reads its answer; rejects when the answer is cut off. */
export function ask(port: number, path = '/', options: Ask = {}): Promise<Answer> {
  const { cookie, body, onHead, headers = {}, ...rest } = options;
  const fields = Object.entries({ ...headers, ...(cookie !== undefined && { cookie }) }).filter(
    ([, value]) => value !== undefined,
  );
  return new Promise((resolve, reject) => {
    const request = http.request(
      { host: '127.0.0.1', port, path, ...rest, headers: Object.fromEntries(fields) },
      (answer) => {
        onHead?.(answer);
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    request.on('error', reject);
    if (typeof body === 'object') void upload(request, body);
    else request.end(body);
  });
}

/** Asks for a WebSocket; answers the status, and goes away again. */
export function shakeHands(
  port: number,
  path: string,
  fields: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const own = Object.entries(fields).filter(([, value]) => value !== undefined);
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
    ...Object.fromEntries(own),
  };
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, path, headers, agent: false });
    request.on('error', reject);
    request.on('response', (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    request.on('upgrade', (answer, socket) => {
      socket.destroy();
      resolve(answer.statusCode ?? 0);
    });
  });
}

async function upload(request: http.ClientRequest, body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of body) {
    if (!request.write(chunk)) await new Promise((resolve) => request.once('drain', resolve));
  }
  request.end();
}

/** The cookie of the session that an answer hands out. */
export function cookieOf(answer: Pick<Answer, 'headers'>): string {
  const own = answer.headers['set-cookie']?.find((value) => value.startsWith('sid='));
  const pair = own?.split(';', 1)[0];
  if (pair === undefined) throw new Error(`no session cookie in ${JSON.stringify(answer.headers)}`);
  return pair;
}

/** Lets everything that is ready happen, timers of 0 ms and I/O included. */
export const settle = (ms = 20) => new Promise<void>((resolve) => setTimeout(resolve, ms));
