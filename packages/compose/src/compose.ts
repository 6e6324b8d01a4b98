import {
  type Backend,
  type BackendModule,
  type CredentialCarriers,
  createSessionManager,
  type Environment,
  type Filter,
  type FilterModule,
  type ManagerOptions,
  processEnvironment,
  type ResourceModule,
  type Router,
  type RouterModule,
  type Service,
  SessionError,
  type SessionManager,
} from '@sessionkit/session-core';
import type { BackendUse, CheckedConfig, CheckedService } from './config.js';
import { ConfigError, formatPath, type Path, type Problem } from './problem.js';

export interface ComposeOptions {
  /** Clock, randomness, timers and log of everything that is made. Default: those of the process. */
  readonly environment?: Environment | undefined;
  /** Whether an `Authorization` value belongs to the admin API: routers take it out. Default: none does. */
  readonly isAdminCredential?: ((authorization: string) => boolean) | undefined;
  /** How much of what the sessions of a service do is kept for operators, as `createSessionManager` takes it. Default: nothing. */
  readonly kept?: ManagerOptions['kept'];
}

export interface ComposedService {
  readonly service: Service;
  /** Undefined when the file names none: the application answers. */
  readonly router: Router | undefined;
}

/** Services that run. Nothing listens yet. */
export interface Composition {
  readonly config: CheckedConfig;
  readonly manager: SessionManager;
  readonly services: ReadonlyMap<string, ComposedService>;
  /** Closes routers, services, backends and resources, in this order. Calling it again does nothing more. */
  close(): Promise<void>;
}

/**
 * Makes the services of a checked configuration: resources, backends (one for all services whose `backend` sections mean the same), the manager, the
 * services, the routers. What was made is closed again when something fails.
 *
 * @throws ConfigError `CONFIG_INVALID` for what only the made parts can tell, such as a backend without an ability that an option needs; all at once.
 * @throws SessionError of a backend, resource or router that cannot be made (`BACKEND_DOWN` and others), its path in the file in the message.
 */
export async function compose(config: CheckedConfig, options: ComposeOptions = {}): Promise<Composition> {
  const maker = new Maker(config, options);
  try {
    const manager = await maker.services();
    const services = await maker.routers(manager);
    return { config, manager, services, close: () => maker.close() };
  } catch (error) {
    await maker.close().catch((fault: unknown) => {
      maker.environment.log({
        level: 'error',
        message: 'closing after a failed start failed too',
        error: fault,
      });
    });
    throw error;
  }
}

class Maker {
  readonly environment: Environment;
  readonly #config: CheckedConfig;
  readonly #carriers: CredentialCarriers;
  readonly #kept: ManagerOptions['kept'];
  /** In the order they were made. They are closed in the other. */
  readonly #closers: (() => Promise<void>)[] = [];
  readonly #resources = new Map<string, Promise<unknown>>();
  readonly #backends = new Map<string, Promise<Backend>>();
  readonly #made = new Map<string, Service>();
  #closed: Promise<void> | undefined;

  constructor(config: CheckedConfig, options: ComposeOptions) {
    this.environment = options.environment ?? processEnvironment;
    this.#config = config;
    this.#carriers = carriersOf(config, options.isAdminCredential ?? (() => false));
    this.#kept = options.kept;
  }

  async services(): Promise<SessionManager> {
    const manager = createSessionManager({
      environment: this.environment,
      deadline: this.#config.storeDeadline,
      kept: this.#kept,
      filters: await this.#filters(),
    });
    const problems: Problem[] = [];
    for (const service of this.#config.services.values()) {
      const { session } = service;
      const backend = session === undefined ? undefined : await this.#backend(session.backend);
      try {
        const options =
          session === undefined
            ? {}
            : { ...session.options, transports: session.transports, backend, filters: service.filters };
        this.#made.set(service.name, manager.service(service.name, options));
      } catch (error) {
        problems.push(asProblem(error, [...service.path, 'session']));
      }
    }
    if (problems.length > 0) throw new ConfigError(this.#config.file, problems);
    this.#closers.push(() => manager.close());
    return manager;
  }

  /** Their log entries go through the manager, which knows the logs of sessions. */
  async routers({ environment }: SessionManager): Promise<Map<string, ComposedService>> {
    const composed = new Map<string, ComposedService>();
    for (const [name, service] of this.#made) {
      const use = this.#config.services.get(name)?.router;
      composed.set(name, { service, router: use && (await this.#router(service, use, environment)) });
    }
    return composed;
  }

  async #filters(): Promise<Map<string, Filter>> {
    const filters = new Map<string, Filter>();
    const { environment } = this;
    for (const [name, use] of this.#config.filters) {
      const module = use.module as FilterModule;
      const filter = await at(use.path, async () =>
        module.create(use.config as never, { environment, name }),
      );
      this.#closers.push(async () => filter.close?.());
      filters.set(name, filter);
    }
    return filters;
  }

  async #router(
    service: Service,
    use: NonNullable<CheckedService['router']>,
    environment: Environment,
  ): Promise<Router> {
    const module = use.module as RouterModule;
    const context = { environment, service: service.name, servers: use.servers, carriers: this.#carriers };
    const router = await at(use.path, async () => module.create(use.config as never, context));
    this.#closers.push(() => router.close());
    if (router.holdings !== undefined) service.attach(router.holdings);
    return router;
  }

  #backend(use: BackendUse): Promise<Backend> {
    let making = this.#backends.get(use.key);
    if (making === undefined) {
      making = this.#makeBackend(use);
      this.#backends.set(use.key, making);
    }
    return making;
  }

  async #makeBackend(use: BackendUse): Promise<Backend> {
    const { environment } = this;
    const resource = use.resource === undefined ? undefined : await this.#resource(use.resource);
    const find = (id: string) => {
      if (id === use.resource) return resource;
      throw new SessionError(
        'CONFIG_INVALID',
        `the section does not name the resource ${JSON.stringify(id)}`,
      );
    };
    const module = use.module as BackendModule;
    const { storeDeadline: deadline } = this.#config;
    const context = { environment, path: formatPath(use.path), deadline, resource: find };
    const backend = await at(use.path, async () => module.create(use.config as never, context));
    this.#closers.push(() => backend.close());
    return backend;
  }

  #resource(name: string): Promise<unknown> {
    let making = this.#resources.get(name);
    if (making === undefined) {
      making = this.#makeResource(name);
      this.#resources.set(name, making);
    }
    return making;
  }

  async #makeResource(name: string): Promise<unknown> {
    const use = this.#config.resources.get(name);
    if (use === undefined)
      throw new SessionError('CONFIG_INVALID', `there is no resource ${JSON.stringify(name)}`);
    const module: ResourceModule = use.module;
    const context = { environment: this.environment, deadline: this.#config.storeDeadline };
    const resource = await at(use.path, async () => module.create(use.config as never, context));
    this.#closers.push(() => module.close(resource));
    return resource;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const faults: unknown[] = [];
    for (const close of this.#closers.reverse()) {
      try {
        await close();
      } catch (error) {
        faults.push(error);
      }
    }
    if (faults.length === 1) throw faults[0];
    if (faults.length > 1) throw new AggregateError(faults, 'several parts could not be closed');
  }
}

/** Where credentials travel, over all services: a cookie of one service must not reach the upstream of another. */
function carriersOf(
  config: CheckedConfig,
  isAdminCredential: CredentialCarriers['isAdminCredential'],
): CredentialCarriers {
  const carriers = [...config.services.values()].flatMap(
    ({ session }) => session?.transports.map(({ carrier }) => carrier) ?? [],
  );
  const distinct = (values: readonly (string | undefined)[]) => [
    ...new Set(values.filter((value) => value !== undefined)),
  ];
  return {
    cookies: distinct(carriers.map(({ cookie }) => cookie)),
    queries: distinct(carriers.map(({ query }) => query)),
    bearer: carriers.some(({ requestHeader }) => requestHeader === 'authorization'),
    isAdminCredential,
  };
}

/** Adds the path in the file to what a module throws. */
async function at<T>(path: Path, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    const { code, retryable } =
      error instanceof SessionError ? error : ({ code: 'CONFIG_INVALID', retryable: false } as const);
    const message = error instanceof Error ? error.message : String(error);
    throw new SessionError(code, `${formatPath(path)}: ${message}`, { retryable, cause: error });
  }
}

function asProblem(error: unknown, path: Path): Problem {
  if (!(error instanceof SessionError)) throw error;
  const fix =
    error.code === 'UNSUPPORTED'
      ? 'leave the option out, or use a backend that can do it'
      : 'correct the session of this service';
  const where = { path: formatPath(path), line: undefined, column: undefined };
  return { ...where, code: 'CONFIG_INVALID', message: error.message, fix };
}
