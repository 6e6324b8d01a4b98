// A gateway whose configuration changes while it runs, and clients that do not stop for it.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type App, OPERATOR, PASSWORD, run, startApp, until } from './app.js';
import { cookieOf, send } from './client.js';

const folders: string[] = [];

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** One that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Of one session: how often it came, kept in the session itself, and held for `?ms=`. */
export function counting(request: IncomingMessage, response: ServerResponse): void {
  const data = request.headers['x-session-data'];
  const { n = 0 } = data === undefined ? {} : JSON.parse(Buffer.from(String(data), 'base64url').toString());
  const answer = () => {
    response.setHeader('x-session-data', Buffer.from(JSON.stringify({ n: n + 1 })).toString('base64url'));
    response.end(`visit ${n + 1}`);
  };
  const wait = Number(new URL(request.url ?? '/', 'http://x').searchParams.get('ms'));
  if (wait > 0) setTimeout(answer, wait);
  else answer();
}

/** A gateway in a folder from which the store packages are found. */
export class Gateway {
  readonly app: App;

  private constructor(app: App) {
    this.app = app;
  }

  static async start(yaml: string): Promise<Gateway> {
    const cwd = mkdtempSync(join(import.meta.dirname, '..', '.app-'));
    folders.push(cwd);
    return new Gateway(await startApp(yaml, { cwd }));
  }

  write(yaml: string): void {
    writeFileSync(join(this.app.folder, 'sessionkit.yaml'), yaml);
  }

  /** By a signal. Answers what the process log says of it. */
  async signal(yaml: string): Promise<string> {
    this.write(yaml);
    const before = this.#told().length;
    this.app.child.kill('SIGHUP');
    return until('the reload', () => this.#told()[before]);
  }

  /** By the command, as an operator does it. */
  async command(yaml: string, ...more: readonly string[]) {
    this.write(yaml);
    const env = { SESSIONKIT_ADMIN_PASSWORD: PASSWORD };
    return run(['reload', '--url', this.app.admin, ...more], { cwd: this.app.folder, env });
  }

  /** The newest address of a listener. */
  url(name: string): string {
    const all = [...this.app.stderr.matchAll(new RegExp(`listening: ${name} (https?://[^ "]+)`, 'g'))];
    const url = all.at(-1)?.[1];
    if (url === undefined) throw new Error(`no listener "${name}":\n${this.app.output}`);
    return url;
  }

  async ask(path: string): Promise<Readonly<Record<string, unknown>>> {
    const { body } = await send(`${this.url('admin')}/v1/${path}`, { headers: OPERATOR });
    return JSON.parse(body) as Readonly<Record<string, unknown>>;
  }

  /** Open files, sockets among them, of the process. */
  async descriptors(): Promise<number> {
    const { data } = (await this.ask('maxscale/threads')) as {
      data: [{ attributes: { stats: { current_descriptors: number } } }];
    };
    return data[0].attributes.stats.current_descriptors;
  }

  #told(): readonly string[] {
    return this.app.log.map(({ msg }) => String(msg)).filter((msg) => /^reloaded |was not taken/.test(msg));
  }
}

/** A client that comes again and again on one connection, with one session, until it is stopped. */
class Client {
  requests = 0;
  /** What went wrong, one by one. */
  readonly failures: string[] = [];
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #cookie = '';
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(url: string) {
    this.#url = url;
  }

  async begin(): Promise<void> {
    const first = await send(this.#url, { agent: this.#agent });
    this.#cookie = cookieOf(first);
    this.requests = 1;
    this.#running = this.#run();
  }

  /** Answers whether the session is still the one that it began with, with all that was done in it. */
  async stop(): Promise<boolean> {
    this.#stopped = true;
    await this.#running;
    this.#agent.destroy();
    const last = await send(this.#url, { headers: { cookie: this.#cookie } });
    return last.body === `visit ${this.requests + 1}`;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const expected = `visit ${this.requests + 1}`;
      try {
        const { status, body } = await send(`${this.#url}/?ms=${this.requests % 7}`, {
          agent: this.#agent,
          headers: { cookie: this.#cookie },
        });
        this.requests += 1;
        if (status !== 200 || body !== expected) this.failures.push(`${status} ${body} for ${expected}`);
      } catch (error) {
        this.failures.push(String(error));
        this.#stopped = true;
      }
    }
  }
}

/** Steady traffic of several clients on each of several listeners. */
export async function traffic(urls: readonly string[], clientsEach: number) {
  const clients = urls.flatMap((url) => Array.from({ length: clientsEach }, () => new Client(url)));
  await Promise.all(clients.map((client) => client.begin()));
  return {
    async stop() {
      const kept = await Promise.all(clients.map((client) => client.stop().catch(() => false)));
      return {
        requests: clients.reduce((sum, { requests }) => sum + requests, 0),
        failures: clients.flatMap(({ failures }) => failures),
        kept: kept.filter(Boolean).length,
        sessions: clients.length,
      };
    },
  };
}
