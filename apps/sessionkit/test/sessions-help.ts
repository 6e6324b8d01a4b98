import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAdminApi, createUsers, serveAdmin } from '@sessionkit/admin-api';
import { memory } from '@sessionkit/backend-memory';
import {
  createSessionManager,
  parseToken,
  type SessionId,
  type VisitRequest,
} from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { onTestFinished, vi } from 'vitest';
import type { TargetOptions } from '../src/sessions/options.js';

export const PASSWORD = 'correct horse';
const SILENT = {
  now: () => Date.now(),
  random: (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes)),
  every: () => () => {},
  log: () => {},
};

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sessionkit-sessions-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A running admin API over two services with sessions in memory. */
export async function startApi() {
  const manager = createSessionManager({ environment: SILENT });
  for (const name of ['shop', 'blog'])
    manager.service(name, { backend: memory(), transports: [cookie({ name })], autoCreate: true });
  const users = createUsers({ file: join(temporaryFolder(), 'users.json'), cost: { ln: 4, r: 1, p: 1 } });
  await users.add('admin', PASSWORD, 'admin');
  await users.add('watcher', PASSWORD, 'basic');
  const asked: string[] = [];
  const api = createAdminApi({
    manager,
    users,
    resolver: {
      reverse: async () => ['office.example'],
      resolve4: async () => ['192.0.2.7'],
      resolve6: async () => [],
    },
    environment: SILENT,
  });
  const server = await serveAdmin({
    api: {
      fetch: (request, peer) => {
        asked.push(`${request.method} ${decodeURIComponent(new URL(request.url).search)}`);
        return api.fetch(request, peer);
      },
    },
    port: 0,
  });
  onTestFinished(async () => {
    await server.close(0);
    await manager.close();
  });
  /** Starts a session, as a browser would. */
  const begin = async (
    options: { service?: string; user?: string; ip?: string; userAgent?: string } = {},
  ): Promise<SessionId> => {
    const { service = 'shop', user, ip = '192.0.2.7', userAgent = 'curl/8.5.0' } = options;
    const visit = await manager.services.get(service)?.open(visitOf(ip, userAgent));
    if (visit === undefined) throw new Error(`no service ${service}`);
    visit.session.set('cart', [1]);
    if (user !== undefined) await visit.session.login(user);
    const fields = await visit.finish({ status: 200, cacheControl: undefined });
    visit.close();
    const token = /=([^;]+)/.exec(
      fields.find(([name]) => name.toLowerCase() === 'set-cookie')?.[1] ?? '',
    )?.[1];
    const id = parseToken(token ?? '')?.id;
    if (id === undefined) throw new Error('no token');
    return id;
  };
  return { url: server.url, manager, asked, begin };
}

function visitOf(ip: string, userAgent: string): VisitRequest {
  return {
    method: 'GET',
    path: '/',
    secure: false,
    host: 'shop.example',
    upgrade: false,
    untrustedProxy: false,
    header: () => undefined,
    query: () => [],
    client: () => ({ ip, port: 43_050, cipher: '', userAgent, attributes: {} }),
  };
}

/** A server that answers as a test says. */
export async function startFake(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Options of a command, with the password in the environment. */
export function target(url: string, more: Partial<TargetOptions> = {}): TargetOptions {
  setEnvironment({ SESSIONKIT_ADMIN_PASSWORD: PASSWORD });
  return { url, timeout: 5, ...more };
}

/** The variables that the commands read, and nothing of the machine's own. */
export function setEnvironment(variables: Readonly<Record<string, string>>): void {
  for (const name of ['SESSIONKIT_ADMIN_URL', 'SESSIONKIT_ADMIN_USER', 'SESSIONKIT_ADMIN_PASSWORD'])
    vi.stubEnv(name, variables[name]);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
}

/** Runs a command and answers what it wrote. */
export async function capture(
  command: () => Promise<number>,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      written[name] += String(text);
      return true;
    }),
  );
  try {
    return { code: await command(), ...written };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
