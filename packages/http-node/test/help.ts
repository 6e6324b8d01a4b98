import http, { type IncomingHttpHeaders, type RequestListener } from 'node:http';
import net from 'node:net';
import { type MemoryBackend, memory } from '@sessionkit/backend-memory';
import {
  type Backend,
  createSessionManager,
  type LogEntry,
  processEnvironment,
  type Service,
  type ServiceOptions,
  SessionError,
  type SessionManager,
} from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { onTestFinished } from 'vitest';

/** The memory backend behind a gate: saves can be kept waiting or made to fail, and are counted. */
class GatedBackend implements Backend {
  readonly type = 'gated';
  readonly #inner: MemoryBackend = memory();
  readonly traits = this.#inner.traits;
  loads = 0;
  saves = 0;
  /** Awaited before each save. */
  gate: Promise<void> | undefined;
  fault: SessionError | undefined;
  /** Answers every save with "lost the race". */
  losing = false;

  load(...args: Parameters<Backend['load']>) {
    this.loads++;
    return this.#inner.load(...args);
  }
  async save(...args: Parameters<Backend['save']>) {
    await this.gate;
    if (this.fault !== undefined) throw this.fault;
    if (this.losing) return false;
    const saved = await this.#inner.save(...args);
    this.saves++;
    return saved;
  }
  touch(...args: Parameters<Backend['touch']>) {
    return this.#inner.touch(...args);
  }
  end(...args: Parameters<Backend['end']>) {
    return this.#inner.end(...args);
  }
  now(...args: Parameters<Backend['now']>) {
    return this.#inner.now(...args);
  }
  close() {
    return this.#inner.close();
  }
  /** Keeps saves waiting until the answered function is called. */
  shut(): () => void {
    let open = () => {};
    this.gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    return open;
  }
}

export interface World {
  readonly backend: GatedBackend;
  readonly service: Service;
  readonly manager: SessionManager;
  readonly log: LogEntry[];
  readonly environment: typeof processEnvironment;
  /** Turns the clock on, in ms. */
  turn(by: number): void;
}

export const down = new SessionError('BACKEND_DOWN', 'the store is down', { retryable: true });

/** A service on the gated memory backend with a cookie named `sid`, that creates sessions when something is set. */
export function world(options: ServiceOptions = {}, deadline = 2_000): World {
  const log: LogEntry[] = [];
  let ahead = 0;
  const environment = {
    ...processEnvironment,
    now: () => Date.now() + ahead,
    log: (entry: LogEntry) => void log.push(entry),
  };
  const backend = new GatedBackend();
  const manager = createSessionManager({ environment, deadline });
  const service = manager.service('app', {
    backend,
    transports: [cookie({ name: 'sid' })],
    autoCreate: 'on_write',
    ...options,
  });
  onTestFinished(() => manager.close());
  return {
    backend,
    service,
    manager,
    log,
    environment,
    turn: (by) => {
      ahead += by;
    },
  };
}

/** Serves until the test is over; answers the port. */
export async function serve(listener: RequestListener): Promise<{ port: number; server: http.Server }> {
  const server = http.createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return { port: (server.address() as net.AddressInfo).port, server };
}

export interface Answer {
  readonly status: number;
  readonly message: string;
  readonly headers: IncomingHttpHeaders;
  readonly raw: readonly string[];
  readonly body: string;
  readonly trailers: NodeJS.Dict<string>;
}

export interface Ask extends http.RequestOptions {
  /** The session cookie, as `name=value`. */
  readonly cookie?: string | undefined;
  readonly body?: string | Buffer;
  /** Called when the head has arrived. */
  readonly onHead?: (answer: http.IncomingMessage) => void;
}

/** Sends one request and reads its answer; rejects when the answer is cut off. */
export function ask(port: number, path = '/', options: Ask = {}): Promise<Answer> {
  const { cookie: sid, body, onHead, headers, ...rest } = options;
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: '127.0.0.1',
        port,
        path,
        ...rest,
        headers: Array.isArray(headers)
          ? headers
          : { ...(headers as http.OutgoingHttpHeaders), ...(sid !== undefined && { cookie: sid }) },
      },
      (answer) => {
        onHead?.(answer);
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            message: answer.statusMessage ?? '',
            headers: answer.headers,
            raw: answer.rawHeaders,
            body: Buffer.concat(chunks).toString(),
            trailers: answer.trailers,
          }),
        );
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** Writes text to a fresh connection and reads until the server closes it, or until `enough` says so. */
export function raw(
  port: number,
  text: string,
  enough: (read: string) => boolean = () => false,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(text));
    let read = '';
    socket.on('data', (chunk) => {
      read += chunk.toString('latin1');
      if (enough(read)) socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(read));
  });
}

/** The cookie of the session that an answer hands out. */
export function cookieOf(answer: Pick<Answer, 'headers'>): string {
  const own = answer.headers['set-cookie']?.find((value) => value.startsWith('sid='));
  const pair = own?.split(';', 1)[0];
  if (pair === undefined)
    throw new Error(`no session cookie in ${JSON.stringify(answer.headers['set-cookie'])}`);
  return pair;
}

/** Lets everything that is ready happen, timers of 0 ms and I/O included. */
export const settle = (ms = 20) => new Promise<void>((resolve) => setTimeout(resolve, ms));
