import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

const bin = join(
  dirname(createRequire(import.meta.url).resolve('sessionkit/package.json')),
  'bin',
  'sessionkit.mjs',
);
const PASSWORD = 'correct horse';
export const OPERATOR = { authorization: `Basic ${Buffer.from(`admin:${PASSWORD}`).toString('base64')}` };

/** The gateway as a process of its own, of the built packages. */
export interface Gateway {
  readonly public: string;
  readonly admin: string;
  /** The access log and the process log so far. */
  output(): string;
  /** Ends it, so that all is written. */
  stop(): Promise<void>;
}

function launch(yaml: string) {
  const folder = mkdtempSync(join(tmpdir(), 'sessionkit-security-'));
  writeFileSync(join(folder, 'sessionkit.yaml'), yaml);
  const { PATH = '', HOME = '', SESSIONKIT_REPORT_DIR = '' } = process.env;
  const child = spawn(process.execPath, [bin, 'serve'], {
    cwd: folder,
    env: { PATH, HOME, SESSIONKIT_REPORT_DIR, SESSIONKIT_ADMIN_PASSWORD: PASSWORD },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const written = { text: '' };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      written.text += text;
    });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });
  return { child, written, ended };
}

/** A configuration with one service, which logs in whoever asks for `/login?user=`. */
export async function configured(session: string, more = ''): Promise<string> {
  const listener: RequestListener = (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://up');
    if (pathname === '/login') response.setHeader('x-session-user', searchParams.get('user') ?? 'ann');
    if (pathname === '/logout') response.setHeader('x-session-destroy', '1');
    response.end(JSON.stringify({ url: request.url, headers: request.rawHeaders }));
  };
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return `
session: { auto_create: true, backend: { type: memory }, ${session} }
servers: { up: { url: "http://127.0.0.1:${port}", steer: true } }
services: { shop: { router: { type: proxy, servers: [up] } } }
listeners: { public: { service: shop, port: 0 } }
admin: { listen: "127.0.0.1:0" }
${more}`;
}

/** Starts a gateway and waits until it listens. */
export async function gateway(yaml: string): Promise<Gateway> {
  const { child, written, ended } = launch(yaml);
  const url = (name: string) => new RegExp(`listening: ${name} (http://[^ "]+)`).exec(written.text)?.[1];
  const begun = Date.now();
  for (; url('admin') === undefined || url('public') === undefined; await delay(10)) {
    if (child.exitCode !== null || Date.now() - begun > 20_000)
      throw new Error(`the gateway does not listen:\n${written.text}`);
  }
  return {
    public: url('public') ?? '',
    admin: url('admin') ?? '',
    output: () => written.text,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Starts a gateway that ought not to start; answers its exit code and what it says. */
export async function refused(
  yaml: string,
): Promise<{ readonly code: number | null; readonly says: string }> {
  const { child, written, ended } = launch(yaml);
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  const code = await ended;
  clearTimeout(timer);
  return { code, says: written.text };
}
