import type { Abilities, Backend } from './backend.js';
import type { Environment, Millis } from './environment.js';
import type { Filter, FilterContext } from './filter.js';
import type { ModuleKind } from './lists.js';
import type { Router, RouterContext } from './router.js';
import type { Transport } from './transport.js';

/** As much of Standard Schema (version 1) as a configuration needs. zod 4 schemas have it. */
export interface ConfigSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => unknown;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

interface ModuleOf<Kind extends ModuleKind, Config> {
  /** {@link CONTRACT_VERSION} that the module was built for. */
  readonly contract: number;
  readonly kind: Kind;
  /** The word after `type:` in the YAML. */
  readonly type: string;
  /**
   * Checks the section, its `type` included, and refuses unknown keys. A message says what is wrong, then `: ` and the fix (or has the fix as
   * `params.fix` of a zod issue).
   */
  readonly config: ConfigSchema<Config>;
}

/** What a module is given to build a backend. */
export interface BackendContext {
  readonly environment: Environment;
  /** Where the section stands in the file, for messages. */
  readonly path: string;
  /** How long core waits for it, in ms; undefined: for as long as core does by default. A write that reaches the store later than that must not count. */
  readonly deadline?: Millis | undefined;
  /** The named resource, as its own module made it. */
  resource(id: string): unknown;
}

/** What a module is given to build a resource. */
export interface ResourceContext {
  readonly environment: Environment;
  /** As {@link BackendContext.deadline}: what is silent for longer need not be waited for. */
  readonly deadline?: Millis | undefined;
}

/** Default export of `@sessionkit/transport-NAME/module`. */
export interface TransportModule<Config = never> extends ModuleOf<'transport', Config> {
  create(config: Config): Transport;
}

/** Default export of `@sessionkit/backend-NAME/module`. */
export interface BackendModule<Config = never> extends ModuleOf<'backend', Config> {
  /** `_class` of the resource that its `resource` key must name; undefined when it needs none. */
  readonly resourceClass?: string | undefined;
  /** What its backends can, so that a configuration that asks for more is refused before anything starts. */
  readonly abilities: readonly (keyof Abilities)[];
  /** The statements that make ready what its backends need, such as tables; undefined when nothing has to be. */
  sql?(config: Config): string;
  create(config: Config, context: BackendContext): Backend | Promise<Backend>;
}

/** Default export of `@sessionkit/router-NAME/module`. */
export interface RouterModule<Config = never> extends ModuleOf<'router', Config> {
  create(config: Config, context: RouterContext): Router | Promise<Router>;
}

/** Default export of `@sessionkit/filter-NAME/module`. */
export interface FilterModule<Config = never> extends ModuleOf<'filter', Config> {
  create(config: Config, context: FilterContext): Filter | Promise<Filter>;
}

/**
 * A named client or pool to a real store, shared by backends. Its type is the `_class` of SXAPI's `resources:`. Default export of
 * `@sessionkit/backend-NAME/resource`.
 */
export interface ResourceModule<Config = never> extends ModuleOf<'resource', Config> {
  create(config: Config, context: ResourceContext): unknown;
  close(resource: unknown): Promise<void>;
}

/** What the default export of a module may be. */
export type AnyModule = TransportModule | BackendModule | RouterModule | FilterModule | ResourceModule;
