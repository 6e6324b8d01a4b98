import type {
  Abilities,
  AnyModule,
  Millis,
  ResourceModule,
  ServerTarget,
  ServiceOptions,
  Transport,
} from '@sessionkit/session-core';
import type { ModuleSource } from './modules.js';
import type { Path } from './problem.js';

/** A section of the file with the module that checked it. */
export interface ModuleUse {
  readonly module: AnyModule;
  /** The section as the module's schema answered it. */
  readonly config: unknown;
  readonly path: Path;
}

export interface BackendUse extends ModuleUse {
  /** Equal for sections that mean the same store: these services share one backend. */
  readonly key: string;
  /** What it can, as the module says. */
  readonly abilities: readonly (keyof Abilities)[];
  /** The name after `resource:`, when the module needs one. */
  readonly resource: string | undefined;
}

export interface ResourceUse extends ModuleUse {
  readonly module: ResourceModule;
}

export interface CheckedSession {
  /** Times in ms. */
  readonly options: Omit<ServiceOptions, 'backend' | 'transports'>;
  readonly transports: readonly Transport[];
  /** The sections of the transports, in their order. */
  readonly carried: readonly ModuleUse[];
  readonly backend: BackendUse;
}

export interface CheckedService {
  readonly name: string;
  readonly path: Path;
  /** Undefined: stateless. */
  readonly session: CheckedSession | undefined;
  /** Names of its filters, in order. */
  readonly filters: readonly string[];
  /** What operators see of the queries of its requests: names of all parameters, values of some. */
  readonly queries: { readonly names: boolean; readonly values: readonly string[] };
  readonly router: (ModuleUse & { readonly servers: readonly ServerTarget[] }) | undefined;
}

export interface ListenerConfig {
  readonly name: string;
  /** Name of a service that has a router. */
  readonly service: string;
  readonly address: string;
  /** 0 takes one that is free. */
  readonly port: number;
}

/** PEM files, by their absolute paths. */
interface AdminTls {
  readonly cert: string;
  readonly key: string;
  /** Authorities of client certificates; undefined: clients need none. */
  readonly ca: string | undefined;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

export interface AdminConfig {
  readonly address: string;
  readonly port: number;
  /** Absolute path. */
  readonly usersFile: string;
  /** Host names, besides that of the listener, under which it may be called. */
  readonly hosts: readonly string[];
  /** Undefined: plain HTTP. */
  readonly tls: AdminTls | undefined;
  /** May listen beyond loopback without TLS. */
  readonly insecure: boolean;
  /** Users that may only read see what clients told of themselves and did. */
  readonly basicSeesActivity: boolean;
  /** Documents show the data of sessions. */
  readonly showData: boolean;
}

/** A configuration in which everything was checked that can be without starting anything. Times in ms. */
export interface CheckedConfig {
  /** For messages. */
  readonly file: string;
  readonly resources: ReadonlyMap<string, ResourceUse>;
  readonly services: ReadonlyMap<string, CheckedService>;
  readonly filters: ReadonlyMap<string, ModuleUse>;
  readonly listeners: readonly ListenerConfig[];
  /** All that its sections name. */
  readonly servers: ReadonlyMap<string, ServerTarget>;
  /** The modules behind its sections. */
  readonly modules: readonly ModuleSource[];
  /** Addresses and ranges of proxies. */
  readonly trustProxy: readonly string[];
  /** Undefined: no admin API. */
  readonly admin: AdminConfig | undefined;
  /** How long requests in flight have at the end. */
  readonly drainTimeout: Millis;
  /** How long a store has to answer. */
  readonly storeDeadline: Millis;
}
