// A backend that somebody else has written, with a resource class of its own, in a project that has SessionKit from its tarballs and nothing of this repository.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { KEY } from './guide.js';
import { type Done, must, run } from './world.js';

const acme = join(import.meta.dirname, '..', 'acme');

/** Installs it beside SessionKit, as a tarball like any other package, and puts its author's own files into the project. */
export async function installAcme(app: string, home: string): Promise<void> {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const [file = ''] = (await must(npm, ['pack', acme, '--silent'], { cwd: home }))
    .trim()
    .split('\n')
    .slice(-1);
  const flags = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
  await must(npm, ['install', ...flags, join(home, file)], { cwd: app });
  for (const own of ['kit.test.mjs', 'my-backend.mjs', 'future-backend.mjs'])
    copyFileSync(join(acme, own), join(app, own));
}

/** Runs the published kit over it under node:test; `careless` with a save that keeps no promise. */
export async function runKit(app: string, careless: boolean): Promise<{ pass: number; fail: number }> {
  const env = { PATH: process.env.PATH, CARELESS: careless ? '1' : '0' };
  const { stdout } = await run(process.execPath, ['--test', '--test-reporter=tap', 'kit.test.mjs'], {
    cwd: app,
    env,
  });
  const count = (what: string) =>
    Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(stdout)?.[1] ?? Number.NaN);
  return { pass: count('pass'), fail: count('fail') };
}

/** A configuration with this backend in front of a server that answers with the id of the session. */
export function writeConfig(app: string, name: string, upstream: string, session: object): string {
  const file = join(app, name);
  const config = {
    session: { auto_create: true, limits: false, transport: { type: 'cookie' }, backend: session },
    resources: { files: { _class: 'acme-folder/resource', path: join(app, 'sessions') } },
    servers: { one: { url: upstream } },
    services: { shop: { router: { type: 'proxy', servers: ['one'] } } },
    listeners: { public: { service: 'shop', port: 0 } },
    admin: false,
  };
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(config, undefined, 2));
  return file;
}

const binOf = (app: string) => join(app, 'node_modules', 'sessionkit', 'bin', 'sessionkit.mjs');

export const sessionkit = (app: string, ...args: string[]): Promise<Done> =>
  run(process.execPath, [binOf(app), ...args], { cwd: app, env: { PATH: process.env.PATH, ...KEY } });

/** The gateway of this configuration while `use` works with its URL. */
export async function serving<T>(app: string, file: string, use: (url: string) => Promise<T>): Promise<T> {
  const env = { PATH: process.env.PATH, ...KEY };
  const child = spawn(process.execPath, [binOf(app), 'serve', '--config', file], {
    cwd: app,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const closed = once(child, 'close');
  try {
    const said: string[] = [];
    let url: string | undefined;
    for await (const line of createInterface({ input: child.stderr })) {
      said.push(line);
      url = /"url":"(http:[^"]+)"/.exec(line)?.[1];
      if (url !== undefined) break;
    }
    if (url === undefined) throw new Error(`the gateway did not start:\n${said.join('\n')}`);
    return await use(url);
  } finally {
    child.kill('SIGTERM');
    await closed;
  }
}

/** A server that says which session it sees; `close` ends it. */
export async function startUpstream(): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => response.end(request.headers['x-session-id']));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}`, close };
}

/** One visit: what the upstream said (ours: the session that it saw), and the cookie for the next one. */
export async function visit(url: string, cookie?: string | undefined, method = 'GET') {
  const answer = await fetch(url, { method, headers: cookie === undefined ? {} : { cookie } });
  const [set] = answer.headers.getSetCookie();
  return { status: answer.status, said: await answer.text(), cookie: set?.split(';')[0] ?? cookie };
}

export function storedIn(folder: string): string[] {
  mkdirSync(folder, { recursive: true });
  return readdirSync(folder).map((file) => file.replace(/\.json$/, ''));
}
