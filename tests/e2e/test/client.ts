import { type Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import type { Readable } from 'node:stream';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Sending {
  readonly method?: string | undefined;
  readonly headers?: OutgoingHttpHeaders | readonly string[] | undefined;
  readonly body?: string | Buffer | Readable | undefined;
  /** Default: a connection of its own. */
  readonly agent?: Agent | undefined;
}

/** Sends a request as it is told to, and waits for the whole answer. Rejects when the connection is cut. */
export function send(url: string, sending: Sending = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body, agent = false } = sending;
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers, agent }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    outgoing.on('error', reject);
    if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) outgoing.end(body);
    else body.pipe(outgoing);
  });
}

/** Sends bytes over a connection of their own, and answers what comes back until it is closed. */
export function sendRaw(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    socket.setEncoding('latin1');
    socket.on('data', (data) => (text += data));
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
  });
}

/** The `name=value` of the first cookie that an answer sets. */
export function cookieOf(answer: Answer): string {
  const [cookie] = answer.headers['set-cookie'] ?? [];
  const pair = cookie?.split(';')[0];
  if (pair === undefined) throw new Error(`no cookie in ${JSON.stringify(answer)}`);
  return pair;
}

/** The public id within a token, or within a cookie that holds one. */
export function idOf(token: string): string {
  const id = /(?:^|=)(s[0-9a-z]+)\./.exec(token)?.[1];
  if (id === undefined) throw new Error(`no session id in ${token}`);
  return id;
}

/** The members of a problem document that tests look at. */
export function problemOf(answer: Answer): {
  readonly media: unknown;
  readonly status: number;
  readonly code?: unknown;
} {
  return {
    media: answer.headers['content-type'],
    status: answer.status,
    ...(JSON.parse(answer.body) as { code?: unknown }),
  };
}
