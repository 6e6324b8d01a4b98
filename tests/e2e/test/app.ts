// Runs the thin app as a user does: its built bin, as a process of its own. Whatever is started is killed when the test file is over.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, vi } from 'vitest';

export const repository = join(import.meta.dirname, '..', '..', '..');
const bin = join(repository, 'apps', 'sessionkit', 'bin', 'sessionkit.mjs');
const TIMEOUT = 30_000;

// A test starts several processes, on a machine that may have more to do.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const processes = new Set<ChildProcess>();
const servers = new Set<Server>();
const folders = new Set<string>();

afterAll(() => {
  for (const child of processes) child.kill('SIGKILL');
  stopUpstreams();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder that is removed when the test file is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sessionkit-e2e-'));
  folders.add(folder);
  return folder;
}

/** Waits until `probe` answers something; `what` is what it waited for when it never does. */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
) {
  for (const begun = Date.now(); ; ) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    if (Date.now() - begun > TIMEOUT) throw new Error(`timed out waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export interface LaunchOptions {
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly stdin?: string | undefined;
  /** Default: the bin of the thin app. */
  readonly script?: string | undefined;
  /** Of an {@link App}. Default: `serve`. */
  readonly args?: readonly string[] | undefined;
}

/** A process and what it writes. */
export class Program {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string | null>;

  constructor(args: readonly string[], options: LaunchOptions = {}) {
    // The folder of the reports, so that `npm test` finds a secret in what the program lets out, too.
    const { PATH = '', HOME = '', SESSIONKIT_REPORT_DIR = '' } = process.env;
    this.child = spawn(process.execPath, [options.script ?? bin, ...args], {
      cwd: options.cwd ?? temporaryFolder(),
      env: { PATH, HOME, SESSIONKIT_REPORT_DIR, ...options.env },
      stdio: 'pipe',
    });
    processes.add(this.child);
    this.child.stdout?.setEncoding('utf8').on('data', (text) => (this.stdout += text));
    this.child.stderr?.setEncoding('utf8').on('data', (text) => (this.stderr += text));
    this.child.stdin?.on('error', () => {});
    this.child.stdin?.end(options.stdin ?? '');
    this.ended = once(this.child, 'close').then(([code, signal]) => {
      processes.delete(this.child);
      return code ?? signal;
    });
  }

  get output(): string {
    return `--- stdout\n${this.stdout}--- stderr\n${this.stderr}`;
  }

  /** Sends a signal, and answers how the process ended. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string | null> {
    this.child.kill(signal);
    return this.ended;
  }
}

/** Runs a command of the thin app to its end. */
export async function run(args: readonly string[], options: LaunchOptions = {}) {
  const program = new Program(args, options);
  const code = await program.ended;
  return { code, stdout: program.stdout, stderr: program.stderr };
}

/** One line of the access log. */
export type AccessLine = Readonly<Record<string, unknown>> & { readonly time: string };

const jsonLines = (text: string) =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as AccessLine);

/** The thin app, serving. */
export class App extends Program {
  readonly folder: string;

  constructor(yaml: string, options: LaunchOptions = {}) {
    const folder = options.cwd ?? temporaryFolder();
    writeFileSync(join(folder, 'sessionkit.yaml'), yaml);
    super(options.args ?? ['serve'], {
      env: { SESSIONKIT_ADMIN_PASSWORD: PASSWORD },
      ...options,
      cwd: folder,
    });
    this.folder = folder;
  }

  /** `http://address:port` of a listener, or of the admin API under `admin`. */
  url(name: string): string {
    const url = new RegExp(`listening: ${name} (http://[^ "]+)`).exec(this.stderr)?.[1];
    if (url === undefined) throw new Error(`no listener "${name}" yet:\n${this.output}`);
    return url;
  }

  get public(): string {
    return this.url('public');
  }

  get admin(): string {
    return this.url('admin');
  }

  /** Lines of the access log so far, each of them JSON. */
  get access(): readonly AccessLine[] {
    return jsonLines(this.stdout);
  }

  /** Lines of the process log so far, each of them JSON. */
  get log(): readonly AccessLine[] {
    return jsonLines(this.stderr);
  }

  /** The line of the access log for a path, once it is there. */
  line(path: string): Promise<AccessLine> {
    return until(`the access line of ${path}`, () =>
      this.access.find(({ url }) => String(url).split('?')[0] === path),
    );
  }
}

export const PASSWORD = 'correct horse';
export const OPERATOR = { authorization: `Basic ${Buffer.from(`admin:${PASSWORD}`).toString('base64')}` };

/** Starts the thin app and waits until it listens. */
export async function startApp(yaml: string, options: LaunchOptions = {}): Promise<App> {
  const app = new App(yaml, options);
  const listening = until('the listeners', () => /listening: admin/.test(app.stderr));
  const early = app.ended.then((code) => {
    throw new Error(`the app ended (${code}) before it listened:\n${app.output}`);
  });
  await Promise.race([listening, early]);
  early.catch(() => {});
  return app;
}

/** A server of the test's own behind the gateway; answers its URL. */
export async function startUpstream(listener: RequestListener): Promise<string> {
  const server = createServer({ requestTimeout: 0 }, listener);
  servers.add(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Stops all servers that {@link startUpstream} has started. */
export function stopUpstreams(): void {
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  servers.clear();
}

/** A configuration with one service before `upstream`; `session` and `router` are YAML flow maps. */
export function config(
  upstream: string,
  parts: { session?: string; router?: string; more?: string } = {},
): string {
  const { session = '{ auto_create: true, transport: { type: cookie }, backend: { type: memory } }' } = parts;
  return `
session: ${session}
servers: { up: { url: "${upstream}", steer: true } }
services: { shop: { router: { type: proxy, servers: [up]${parts.router ?? ''} } } }
listeners: { public: { service: shop, port: 0 } }
admin: { listen: "127.0.0.1:0" }
${parts.more ?? ''}`;
}
