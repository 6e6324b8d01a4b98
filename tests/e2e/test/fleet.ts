// Two gateways and an admin API alone, as processes of their own on one store.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { OPERATOR, PASSWORD, Program, repository, until } from './app.js';
import { type Answer, send } from './client.js';
import type { SharedStore } from './shared-store.js';

/** The program of the admin API alone. */
export const adminApi = join(repository, 'apps', 'admin-api', 'bin', 'admin-api.mjs');
const folders = new Set<string>();
const agent = new Agent({ keepAlive: true });

afterAll(() => {
  agent.destroy();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder from which the packages are found, as where somebody installed them beside the configuration. */
export function project(): string {
  const folder = mkdtempSync(join(import.meta.dirname, '..', '.app-'));
  folders.add(folder);
  return folder;
}

/** The URL of a listener, once it is there. */
export async function listening(program: Program, name: string): Promise<string> {
  const found = () => new RegExp(`listening: ${name} (http://[^ "\\n]+)`).exec(program.stderr)?.[1];
  const early = program.ended.then((code) => {
    throw new Error(`it ended (${code}) before it listened:\n${program.output}`);
  });
  early.catch(() => {});
  return Promise.race([until(`the listener ${name}`, found), early]);
}

export interface Fleet {
  readonly programs: readonly Program[];
  /** Public URLs of the gateways. */
  readonly gateways: readonly [string, string];
  /** A request to the admin API as its first user. */
  ask(method: string, path: string, body?: string): Promise<Answer>;
  stop(): Promise<void>;
}

export interface FleetParts {
  /** What the section `session` has besides the backend, as members of a YAML flow map. */
  readonly session: string;
  /** Value of the section `filters`, a YAML flow map. */
  readonly filters?: string | undefined;
  /** Names of the filters of the service. */
  readonly around?: readonly string[] | undefined;
  /** Variables of all processes. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

export async function startFleet(
  upstream: string,
  store: Pick<SharedStore, 'backend' | 'resource'>,
  { session, filters = '{}', around = [], env = {} }: FleetParts,
): Promise<Fleet> {
  const yaml = (admin: string) => `
session: { backend: ${store.backend}, ${session} }
resources: { store: ${store.resource} }
servers: { up: { url: "${upstream}", steer: true } }
filters: ${filters}
services: { shop: { filters: [${around.join(', ')}], router: { type: proxy, servers: [up] } } }
listeners: { public: { service: shop, port: 0 } }
admin: ${admin}
`;
  const cwd = project();
  writeFileSync(join(cwd, 'gateway.yaml'), yaml('false'));
  writeFileSync(join(cwd, 'admin.yaml'), yaml('{ listen: "127.0.0.1:0" }'));
  const serve = () => new Program(['serve', '--config', 'gateway.yaml'], { cwd, env });
  const alone = new Program(['--config', 'admin.yaml'], {
    cwd,
    env: { ...env, SESSIONKIT_ADMIN_PASSWORD: PASSWORD },
    script: adminApi,
  });
  const programs = [serve(), serve(), alone] as const;
  const [one, two, admin] = await Promise.all([
    listening(programs[0], 'public'),
    listening(programs[1], 'public'),
    listening(programs[2], 'admin'),
  ]);
  return {
    programs,
    gateways: [one, two],
    ask: (method, path, body) => send(`${admin}${path}`, { method, headers: OPERATOR, body, agent }),
    async stop() {
      await Promise.all(programs.map((program) => program.stop()));
    },
  };
}
