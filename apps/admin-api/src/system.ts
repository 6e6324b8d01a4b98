import type { LogLevel, Millis, SessionManager } from '@sessionkit/session-core';
import { type ThreadInfo, thisThread } from './meter.js';
import { Settings } from './settings.js';

/** Options by the names of the configuration, times in seconds. Never a secret. */
export type Parameters = Readonly<Record<string, unknown>>;

/** Connections and requests of a service, a listener or a server, since the process began. */
export interface Traffic {
  /** Open now. */
  readonly connections: number;
  readonly totalConnections: number;
  /** The most that were open at a time; undefined where it is not counted. */
  readonly maxConnections?: number | undefined;
  /** Under way now. */
  readonly activeRequests: number;
  readonly totalRequests: number;
}

/** What became of a start or stop. Saying again what is so already changes nothing. */
export type Switched =
  /** `cut`: requests under way that were cut by force. */
  | { readonly changed: boolean; readonly cut: number }
  /** Why it cannot be, in words for an operator, such as a port that another program has taken meanwhile. */
  | { readonly refused: string };

/** What can be started and stopped by an operator while the process runs. Calls that come together are done one after the other. */
export interface Switch {
  start(): Promise<Switched>;
  /** Takes nothing new; what is under way finishes, or is cut by `force`. Resolves when nothing new is taken. */
  stop(force: boolean): Promise<Switched>;
}

/** A service as the process runs it; the manager knows its sessions. */
export interface ServiceInfo {
  readonly name: string;
  /** Type of its router; undefined when the application itself answers. */
  readonly router?: string | undefined;
  /** `Stopped`: its requests are refused. Undefined: another process runs it. */
  readonly state?: 'Started' | 'Stopped' | undefined;
  readonly startedAt?: Millis | undefined;
  readonly parameters?: Parameters | undefined;
  /** Names of the servers that its router uses. */
  readonly servers?: readonly string[] | undefined;
  readonly traffic?: Traffic | undefined;
  /** Undefined: the process cannot stop it. */
  readonly control?: Switch | undefined;
}

/** An address where the process takes requests for a service. */
export interface ListenerInfo {
  readonly name: string;
  readonly service: string;
  readonly address: string;
  /** The real one. */
  readonly port: number;
  readonly protocol: 'http' | 'https';
  /** Undefined: another process has it. */
  readonly state?: 'Running' | 'Stopped' | undefined;
  readonly traffic?: Traffic | undefined;
  readonly control?: Switch | undefined;
}

/** An upstream that routers open connections to. */
export interface ServerInfo {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly protocol: 'http' | 'https';
  /** By the last attempt to reach it. `Unknown`: there was none. Undefined: other processes use it. */
  readonly state?: 'Running' | 'Down' | 'Unknown' | undefined;
  /** When the state last changed. */
  readonly changedAt?: Millis | undefined;
  readonly parameters?: Parameters | undefined;
  /** Names of the services that use it. */
  readonly services: readonly string[];
  readonly traffic?: Traffic | undefined;
}

/** A package that the process works with. */
export interface ModuleInfo {
  /** Unique, such as `backend-memory`. */
  readonly id: string;
  /** Such as `backend`. */
  readonly type: string;
  readonly package?: string | undefined;
  readonly version?: string | undefined;
}

/** A line of the process log. Its message has no secret in it. */
export interface LogLine {
  /** Counts up from 1, without gaps. */
  readonly id: number;
  readonly at: Millis;
  readonly level: LogLevel;
  readonly message: string;
  readonly service?: string | undefined;
  readonly session?: string | undefined;
}

/** The process log as far as it is kept in memory. */
export interface ProcessLog {
  /** Where the whole of it goes, such as `stderr`. */
  readonly file: string;
  /** What goes there. */
  readonly levels: readonly LogLevel[];
  /** The newest `limit` lines whose id is less than `before`, oldest first. */
  read(limit: number, before?: number): readonly LogLine[];
  /** Writes out what waits to be written. */
  flush(): Promise<void>;
}

/** What became of reading the configuration again. */
export type Reloaded =
  | {
      /** What is different from before, by places of the file such as `services.shop`. */
      readonly changes: readonly { readonly what: 'added' | 'removed' | 'changed'; readonly path: string }[];
    }
  /** Why nothing has changed: all that is wrong, in words for an operator. */
  | { readonly problems: readonly string[] };

/** What the process around the API knows and can do. Its methods are called for each request, so they tell what is so now. */
export interface System {
  /** Whether it runs the services. False for an API alone: it knows nothing of the processes that do, and settings have no effect there. */
  readonly serves: boolean;
  /** Of the program; undefined when it does not tell. */
  readonly version: string | undefined;
  readonly startedAt: Millis;
  /** Of the configuration; undefined when the process has none. */
  readonly file: string | undefined;
  /** Of the process. */
  parameters(): Parameters;
  readonly settings: Settings;
  /** Undefined: there is no such service. */
  service(name: string): ServiceInfo | undefined;
  servers(): readonly ServerInfo[];
  listeners(): readonly ListenerInfo[];
  /** How a filter of the manager is configured. */
  filterParameters(name: string): Parameters;
  modules(): readonly ModuleInfo[];
  /** One for each event loop. */
  threads(): Promise<readonly ThreadInfo[]>;
  /** Undefined: the process keeps none. */
  readonly log: ProcessLog | undefined;
  /** Reads the configuration again and goes on by it; a bad one changes nothing. Undefined: the process cannot. */
  readonly reload?: (() => Promise<Reloaded>) | undefined;
}

/** Fills in what the embedding process does not tell from what its manager and node know. */
export function completeSystem(
  manager: SessionManager,
  now: () => Millis,
  told: Partial<System> = {},
): System {
  const startedAt = told.startedAt ?? now() - Math.round(process.uptime() * 1000);
  return {
    serves: true,
    version: undefined,
    file: undefined,
    parameters: () => ({}),
    settings: new Settings(),
    service: (name) => (manager.services.has(name) ? { name, state: 'Started', startedAt } : undefined),
    servers: () => [],
    listeners: () => [],
    filterParameters: () => ({}),
    modules: () => modulesOf(manager),
    threads: async () => [await thisThread()],
    log: undefined,
    ...told,
    startedAt,
  };
}

/** The adapters that services are made of. */
function modulesOf(manager: SessionManager): readonly ModuleInfo[] {
  const found = new Map<string, ModuleInfo>();
  const note = (type: string, name: string) => {
    const id = `${type}-${name}`;
    found.set(id, { id, type });
  };
  for (const { type } of manager.filters.values()) note('filter', type);
  for (const { options } of manager.services.values()) {
    if (options.backend !== undefined) note('backend', options.backend.type);
    for (const transport of options.transports ?? []) note('transport', transport.type);
  }
  return [...found.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}
