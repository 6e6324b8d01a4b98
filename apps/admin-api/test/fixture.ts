import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MemoryBackend, memory } from '@sessionkit/backend-memory';
import {
  type ClientInfo,
  createSessionManager,
  type ManagerOptions,
  parseToken,
  type SessionId,
  type SessionManager,
  type Visit,
  type VisitRequest,
} from '@sessionkit/session-core';
import { type TestEnvironment, testEnvironment } from '@sessionkit/testkit';
import { cookie } from '@sessionkit/transport-cookie';
import { onTestFinished } from 'vitest';
import {
  type AccessEntry,
  type AdminApi,
  type AdminApiOptions,
  createAdminApi,
  createUsers,
  type Users,
} from '../src/index.js';
import { conforming } from './conform.js';

/** Cheap hashes: what is tested here is not their cost. */
export const CHEAP = { ln: 4, r: 1, p: 1 };

export const ADMIN = { name: 'admin', password: 'correct horse' };
export const BASIC = { name: 'watcher', password: 'only looks' };

export interface Fixture {
  readonly environment: TestEnvironment;
  readonly backend: MemoryBackend;
  readonly manager: SessionManager;
  readonly users: Users;
  readonly usersFile: string;
  readonly api: AdminApi;
  readonly access: AccessEntry[];
  /** Starts a session through the service, as a browser would. */
  start(options?: StartOptions): Promise<Started>;
  /** A request as {@link ADMIN}, unless `as` says otherwise. */
  ask(method: string, path: string, options?: AskOptions): Promise<Response>;
}

interface StartOptions {
  readonly service?: string | undefined;
  readonly user?: string | undefined;
  readonly client?: Partial<ClientInfo> | undefined;
}

interface Started {
  readonly id: SessionId;
  readonly token: string;
}

export interface AskOptions {
  readonly as?: { readonly name: string; readonly password: string } | null | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
  readonly from?: string | undefined;
}

const CLIENT: ClientInfo = {
  ip: '192.0.2.7',
  port: 43_050,
  cipher: 'TLS_AES_256_GCM_SHA384',
  userAgent: 'curl/8.5.0',
  attributes: {},
};

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sessionkit-admin-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The API over the real manager and a memory backend, with an admin and a basic user. */
export async function fixture(
  options: Partial<AdminApiOptions> = {},
  managed: ManagerOptions = {},
): Promise<Fixture> {
  const environment = testEnvironment();
  const backend = memory({ now: () => environment.now() });
  const manager = createSessionManager({ environment, ...managed });
  manager.service('web', { backend, transports: [cookie({ name: 'web' })], autoCreate: true });
  onTestFinished(() => manager.close());

  const usersFile = join(await temporaryFolder(), 'users.json');
  const users = createUsers({ file: usersFile, cost: CHEAP, environment });
  await users.add(ADMIN.name, ADMIN.password, 'admin');
  await users.add(BASIC.name, BASIC.password, 'basic');

  const access: AccessEntry[] = [];
  const made = createAdminApi({
    manager,
    users,
    environment,
    access: (entry) => access.push(entry),
    ...options,
  });
  const api: AdminApi = { ...made, fetch: await conforming(made.fetch, options.basePath) };

  return {
    environment,
    backend,
    manager,
    users,
    usersFile,
    api,
    access,
    start: (start) => startSession(manager, start),
    ask: (method, path, ask) =>
      api.fetch(request(method, path, ask), { remoteAddress: ask?.from ?? '127.0.0.1' }),
  };
}

export function request(method: string, path: string, options: AskOptions = {}): Request {
  const headers = new Headers({ host: 'localhost:8989', ...options.headers });
  const as = options.as === undefined ? ADMIN : options.as;
  if (as !== null && !headers.has('authorization')) headers.set('authorization', basic(as.name, as.password));
  return new Request(`http://localhost:8989${path}`, {
    method,
    headers,
    ...(options.body === undefined ? {} : { body: options.body }),
  });
}

export function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}

export async function errorsOf(response: Response): Promise<string[]> {
  const { errors } = (await response.json()) as { errors: { detail: string }[] };
  return errors.map(({ detail }) => detail);
}

export function patch(parameters: unknown): string {
  return JSON.stringify({ data: { attributes: { parameters } } });
}

export async function startSession(manager: SessionManager, options: StartOptions = {}): Promise<Started> {
  const name = options.service ?? 'web';
  const service = manager.services.get(name);
  if (service === undefined) throw new Error(`no service ${name}`);
  const visit = await service.open(visitRequest(options.client));
  if (visit.refusal !== undefined) throw new Error(visit.refusal.detail);
  visit.session.set('cart', ['private to the application']);
  if (options.user !== undefined) await visit.session.login(options.user);
  const headers = await visit.finish({ status: 200, cacheControl: undefined });
  visit.close();
  const [, setCookie = ''] = headers.find(([header]) => header.toLowerCase() === 'set-cookie') ?? [];
  const token = /^[^=]+=([^;]+)/.exec(setCookie)?.[1] ?? '';
  const id = parseToken(token)?.id;
  if (id === undefined) throw new Error(`no token in ${JSON.stringify(headers)}`);
  return { id, token };
}

/** A request of a session that has begun. Close it. */
export async function openVisit(manager: SessionManager, token: string): Promise<Visit> {
  const visit = await manager.services.get('web')?.open(visitRequest({}, `web=${token}`));
  if (visit === undefined || visit.refusal !== undefined || visit.session.isNew)
    throw new Error('not opened');
  return visit;
}

export function visitRequest(client: Partial<ClientInfo> = {}, cookies?: string): VisitRequest {
  return {
    method: 'GET',
    path: '/',
    secure: false,
    host: 'shop.example',
    upgrade: false,
    untrustedProxy: false,
    header: (name) => (name === 'cookie' ? cookies : undefined),
    query: () => [],
    client: () => ({ ...CLIENT, ...client }),
  };
}
