import {
  type Backend,
  can,
  createSessionManager,
  type Environment,
  type ManagerOptions,
  type ManagerSetup,
  processEnvironment,
  type Retired,
  type Router,
  type Service,
  type ServiceOptions,
  SessionError,
  type SessionManager,
} from '@sessionkit/session-core';
import { type Change, changesBetween } from './changes.js';
import type { CheckedConfig } from './config.js';
import { Made, type Surroundings } from './made.js';
import { closeAll, type Part } from './part.js';
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

/** Another configuration, ready to take the place of the one that runs. One of the two verbs is to be called, once. */
export interface Prepared {
  readonly changes: readonly Change[];
  /**
   * Switches at once and without fail: visits under way end by the old configuration, the next ones go by this. What is used no longer is closed when nobody uses it.
   */
  apply(): void;
  /** Gives it up and closes what was made for it. What runs stays as it is. After {@link Prepared.apply} it does nothing. */
  discard(): Promise<void>;
}

/** Services that run. Nothing listens yet. */
export interface Composition {
  /** The one that counts now. */
  readonly config: CheckedConfig;
  readonly manager: SessionManager;
  readonly services: ReadonlyMap<string, ComposedService>;
  /**
   * Makes what another configuration needs besides what is there already: sections that say the same as before keep what was made of them, with its sessions, connections and counts.
   * Only one at a time may be prepared.
   *
   * @throws ConfigError, SessionError as {@link compose} does; also when the change would lose sessions that live in this process. Nothing has changed then.
   */
  prepare(config: CheckedConfig): Promise<Prepared>;
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
  const composition = new Running(config, options);
  try {
    (await composition.prepare(config)).apply();
  } catch (error) {
    await composition.close();
    throw error;
  }
  return composition;
}

class Running implements Composition {
  readonly manager: SessionManager;
  readonly #surroundings: Surroundings;
  #config: CheckedConfig;
  #made: Made | undefined;
  #services: ReadonlyMap<string, ComposedService> = new Map();
  /** How to say of a router's connections that no new ones come. */
  readonly #detach = new Map<Router, () => void>();
  /** No longer of the configuration, and when it will be closed: what uses others comes before them. */
  readonly #leaving = new Map<Part, Promise<void>>();
  #closed: Promise<void> | undefined;

  constructor(config: CheckedConfig, options: ComposeOptions) {
    const { environment = processEnvironment, isAdminCredential = () => false, kept } = options;
    this.#config = config;
    this.manager = createSessionManager({ environment, kept });
    this.#surroundings = { environment, routing: this.manager.environment, isAdminCredential };
  }

  get config(): CheckedConfig {
    return this.#config;
  }

  get services(): ReadonlyMap<string, ComposedService> {
    return this.#services;
  }

  async prepare(config: CheckedConfig): Promise<Prepared> {
    const made = new Made(config, this.#made);
    const discard = () =>
      made.discard().catch((error: unknown) => {
        const message = 'closing after a failed start failed too';
        this.#surroundings.environment.log({ level: 'error', message, error });
      });
    try {
      const services = await made.make(this.#surroundings);
      const setup = {
        services,
        filters: new Map([...made.filters].map(([name, { value }]) => [name, value])),
        deadline: config.storeDeadline,
      };
      const step = this.#check(config, setup);
      await this.#checkLosses(config, services);
      let applied = false;
      return {
        changes: this.#made === undefined ? [] : changesBetween(this.#config, config),
        apply: () => {
          applied = true;
          this.#become(config, made, step);
        },
        discard: () => (applied ? Promise.resolve() : discard()),
      };
    } catch (error) {
      await discard();
      throw error;
    }
  }

  /** Every problem of every service, with its place. */
  #check(config: CheckedConfig, setup: ManagerSetup): () => Retired {
    const problems: Problem[] = [];
    const good = new Map<string, ServiceOptions>();
    for (const [name, options] of setup.services) {
      try {
        this.manager.reconfigure({ ...setup, services: new Map([...good, [name, options]]) });
        good.set(name, options);
      } catch (error) {
        problems.push(asProblem(error, [...(config.services.get(name)?.path ?? []), 'session']));
      }
    }
    if (problems.length > 0) throw new ConfigError(config.file, problems);
    return this.manager.reconfigure(setup);
  }

  /** Sessions that live in this process end with their backend: no change may do that to a service that stays. */
  async #checkLosses(config: CheckedConfig, services: ReadonlyMap<string, ServiceOptions>): Promise<void> {
    const problems: Problem[] = [];
    for (const [name, { options, group }] of this.manager.services) {
      const { backend } = options;
      const next = services.get(name);
      if (next === undefined || backend === undefined || next.backend === backend) continue;
      if (backend.traits.shared || (await this.#isEmpty(backend, group))) continue;
      problems.push({
        path: formatPath([...(config.services.get(name)?.path ?? []), 'session', 'backend']),
        line: undefined,
        column: undefined,
        code: 'CONFIG_INVALID',
        message: `the service has sessions in its ${backend.type} backend, which would be lost with another one`,
        fix: 'leave the section as it was until they have ended, or restart the process, which ends them',
      });
    }
    if (problems.length > 0) throw new ConfigError(config.file, problems);
  }

  async #isEmpty(backend: Backend, service: string): Promise<boolean> {
    return can(backend, 'inspect') && (await this.manager.count({ service })) === 0;
  }

  #become(config: CheckedConfig, made: Made, step: () => Retired): void {
    const before = this.#made;
    const services = new Map(this.manager.services);
    const retired = step();
    this.#config = config;
    this.#made = made;
    this.#services = new Map(
      [...this.manager.services].map(([name, service]) => {
        const router = made.routers.get(name)?.value;
        if (router?.holdings !== undefined && !this.#detach.has(router))
          this.#detach.set(router, service.attach(router.holdings));
        return [name, { service, router }];
      }),
    );
    if (before !== undefined) this.#release(before, made, services, retired);
  }

  /** Closes what nobody uses any more: backends before their resources. */
  #release(before: Made, made: Made, services: ReadonlyMap<string, Service>, retired: Retired): void {
    for (const part of before.without(made)) {
      this.#detach.get(part.value as Router)?.();
      this.#detach.delete(part.value as Router);
      const name = before.nameOfRouter(part);
      const user = name === undefined ? (part.value as Backend) : (services.get(name) as Service);
      // Also of configurations before this one.
      const users = [...this.#leaving].flatMap(([other, closed]) => (before.uses(other, part) ? closed : []));
      const unused = Promise.all([...users, retired.get(user)]);
      this.#leaving.set(
        part,
        unused.then(() => this.#closePart(part)),
      );
    }
  }

  async #closePart(part: Part): Promise<void> {
    try {
      // A backend was closed by its store.
      if (part.use.module.kind !== 'backend') await part.close();
    } catch (error) {
      const message = `${formatPath(part.use.path)}: what it was before could not be closed`;
      this.#surroundings.environment.log({ level: 'warning', message, error });
    }
    this.#leaving.delete(part);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  #close(): Promise<void> {
    const parts = [...this.#leaving.keys(), ...(this.#made?.parts() ?? [])];
    const isRouter = (part: Part) => this.#isRouter(part);
    const close = (part: Part) => () => part.close();
    return closeAll([
      ...parts.filter(isRouter).map(close),
      () => this.manager.close(),
      ...parts.filter((part) => !isRouter(part)).map(close),
    ]);
  }

  #isRouter({ use }: Part): boolean {
    return use.module.kind === 'router';
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
