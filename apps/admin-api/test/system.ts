import type { LogLine, Switch, Switched, System } from '../src/index.js';

/** A listener's or service's switch that remembers what it was told. */
export class FakeSwitch implements Switch {
  readonly told: string[] = [];
  next: Switched = { changed: true, cut: 0 };

  start(): Promise<Switched> {
    this.told.push('start');
    return Promise.resolve(this.next);
  }

  stop(force: boolean): Promise<Switched> {
    this.told.push(force ? 'stop by force' : 'stop');
    return Promise.resolve(this.next);
  }
}

const LEVELS = ['info', 'notice', 'warning', 'error'] as const;

/** Lines 1 to `count` of a process log. */
function logOf(count: number): System['log'] {
  const lines: LogLine[] = Array.from({ length: count }, (_, i) => ({
    id: i + 1,
    at: 1_780_315_200_000 + i,
    level: 'info',
    message: `line ${i + 1}`,
  }));
  return {
    file: 'stderr',
    levels: LEVELS,
    read: (limit, before = count + 1) => lines.slice(0, before - 1).slice(-limit),
    flush: () => Promise.resolve(),
  };
}

/** What a process with one listener and two servers tells. */
export function system(control: { service: Switch; listener: Switch }): Partial<System> {
  const traffic = { connections: 1, totalConnections: 3, activeRequests: 0, totalRequests: 9 };
  return {
    version: '1.2.3',
    startedAt: 1_780_315_200_000 - 60_000,
    file: '/etc/sessionkit.yaml',
    parameters: () => ({ threads: 1, admin_port: 8989 }),
    service: (name) =>
      name === 'web'
        ? {
            name,
            router: 'proxy',
            state: 'Started',
            startedAt: 1_780_315_200_000 - 30_000,
            parameters: { duration: 3600 },
            servers: ['a', 'b/c d'],
            traffic: { ...traffic, maxConnections: 2 },
            control: control.service,
          }
        : undefined,
    servers: () => [
      {
        name: 'b/c d',
        address: '::1',
        port: 443,
        protocol: 'https',
        state: 'Down',
        changedAt: 1_780_315_200_000 - 5_000,
        parameters: { steer: true },
        services: ['web'],
        traffic,
      },
      { name: 'a', address: '127.0.0.1', port: 9001, protocol: 'http', state: 'Unknown', services: ['web'] },
    ],
    listeners: () => [
      {
        name: 'public',
        service: 'web',
        address: '127.0.0.1',
        port: 8080,
        protocol: 'http',
        state: 'Running',
        traffic: { ...traffic, maxConnections: 2 },
        control: control.listener,
      },
      { name: 'fixed', service: 'web', address: '::', port: 81, protocol: 'http', state: 'Stopped' },
    ],
    modules: () => [
      { id: 'router-proxy', type: 'router', package: '@sessionkit/router-proxy', version: '0.1.0' },
      { id: 'backend-memory', type: 'backend' },
    ],
    threads: async () => [
      {
        id: '0',
        memory: { rss: 5, heapTotal: 4, heapUsed: 3, external: 2, arrayBuffers: 1 },
        descriptors: 20,
        load: { lastSecond: 0.987, lastMinute: 0.5, lastHour: 0.126 },
        lag: { mean: 1.5, p50: 1, p99: 20.25, max: 300 },
        listening: true,
        accepts: 3,
      },
    ],
    log: logOf(120),
  };
}

/** A resource as a test reads it; its attributes are those that are looked into. */
export interface Shown {
  readonly id: string;
  readonly links: { readonly self: string };
  readonly relationships: Readonly<Record<string, { readonly data: readonly { readonly id: string }[] }>>;
  readonly attributes: {
    readonly log?: readonly { readonly id: string }[];
    readonly parameters?: unknown;
    readonly stats?: { readonly memory: { readonly total: number } };
    readonly stores?: unknown;
    readonly log_file?: unknown;
  };
}

interface Document<Data> {
  readonly data: Data;
  readonly links: { readonly self: string; readonly prev?: string };
  readonly meta?: unknown;
}

type Ask = (method: string, path: string) => Promise<Response>;

/** Reads one resource with this API. */
export const readerOf = (ask: Ask) => async (path: string) =>
  (await (await ask('GET', path)).json()) as Document<Shown>;

/** Reads a collection with this API. */
export const listerOf = (ask: Ask) => async (path: string) =>
  (await (await ask('GET', path)).json()) as Document<readonly Shown[]>;
