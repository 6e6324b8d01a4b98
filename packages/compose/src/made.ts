import { isDeepStrictEqual } from 'node:util';
import {
  type Backend,
  type BackendModule,
  type CredentialCarriers,
  type Environment,
  type Filter,
  type FilterModule,
  type Router,
  type RouterModule,
  type ServiceOptions,
  SessionError,
} from '@sessionkit/session-core';
import type { BackendUse, CheckedConfig, CheckedService, ResourceUse } from './config.js';
import { at, closeAll, Part, sameUse } from './part.js';
import { formatPath } from './problem.js';

type ResourcePart = Part<unknown, ResourceUse>;
type RouterUse = NonNullable<CheckedService['router']>;

class BackendPart extends Part<Backend, BackendUse> {
  resource: ResourcePart | undefined;
}

class RouterPart extends Part<Router, RouterUse> {
  /** Where the connections that it holds of sessions are told. */
  backend: Backend | undefined;
  carriers: CredentialCarriers | undefined;
}

/** What the parts of a configuration are made with. */
export interface Surroundings {
  readonly environment: Environment;
  /** That of the manager, which knows the logs of sessions. */
  readonly routing: Environment;
  readonly isAdminCredential: CredentialCarriers['isAdminCredential'];
}

/** What was made of one configuration, or taken over from the one before. */
export class Made {
  readonly config: CheckedConfig;
  readonly resources = new Map<string, ResourcePart>();
  readonly backends = new Map<string, BackendPart>();
  readonly filters = new Map<string, Part<Filter>>();
  readonly routers = new Map<string, RouterPart>();
  /** Until all is made: what came before is not to be kept by what comes after. */
  #before: Made | undefined;
  /** In the order in which they were made, without those that were taken over. */
  readonly #fresh: Part[] = [];

  constructor(config: CheckedConfig, before: Made | undefined) {
    this.config = config;
    this.#before = before;
  }

  /** The options of each service. @throws SessionError of a part that cannot be made, its path in the file in the message. */
  async make(surroundings: Surroundings): Promise<ReadonlyMap<string, ServiceOptions>> {
    const { filters, services } = this.config;
    for (const [name, use] of filters) {
      const module = use.module as FilterModule;
      const known = this.#before?.filters.get(name);
      if (known !== undefined && sameUse(known.use, use)) this.filters.set(name, known);
      else {
        const { environment } = surroundings;
        const filter = await at(use.path, () => module.create(use.config as never, { environment, name }));
        this.filters.set(name, this.#add(new Part(use, filter, () => filter.close?.())));
      }
    }
    const options = new Map<string, ServiceOptions>();
    for (const { name, session, filters } of services.values()) {
      const backend = session && (await this.#backend(session.backend, surroundings)).value;
      options.set(
        name,
        session === undefined ? {} : { ...session.options, transports: session.transports, backend, filters },
      );
    }
    const carriers = carriersOf(this.config, surroundings.isAdminCredential);
    for (const service of services.values()) await this.#router(service, carriers, surroundings);
    this.#before = undefined;
    return options;
  }

  /** Those that are not in `next`: what uses others comes before them. */
  without(next: Made): readonly Part[] {
    const kept = new Set<Part>(next.parts());
    return this.parts().filter((part) => !kept.has(part));
  }

  /** The service whose router it is. */
  nameOfRouter(part: Part): string | undefined {
    for (const [name, router] of this.routers) if (router === part) return name;
    return undefined;
  }

  /** Whether a part, of this or of any configuration before, is a backend on a resource. */
  uses(part: Part, resource: Part): boolean {
    return part instanceof BackendPart && part.resource === resource;
  }

  /** Closes what was made for this alone. */
  discard(): Promise<void> {
    return closeAll(this.#fresh.reverse().map((part) => () => part.close()));
  }

  /** What uses others comes before them. */
  parts(): Part[] {
    return [this.routers, this.backends, this.resources, this.filters].flatMap((parts) => [
      ...parts.values(),
    ]);
  }

  #add<P extends Part>(part: P): P {
    this.#fresh.push(part);
    return part;
  }

  async #backend(use: BackendUse, { environment }: Surroundings): Promise<BackendPart> {
    const made = this.backends.get(use.key);
    if (made !== undefined) return made;
    const resource = use.resource === undefined ? undefined : await this.#resource(use.resource, environment);
    const { storeDeadline: deadline } = this.config;
    const known = this.#before?.backends.get(use.key);
    // What lives in this process stays with it, and has no deadline to keep.
    const inTime = known?.value.traits.shared !== true || this.#before?.config.storeDeadline === deadline;
    if (known !== undefined && known.resource === resource && inTime && sameUse(known.use, use)) {
      this.backends.set(use.key, known);
      return known;
    }
    const find = (id: string) => {
      if (id === use.resource) return resource?.value;
      const message = `the section does not name the resource ${JSON.stringify(id)}`;
      throw new SessionError('CONFIG_INVALID', message);
    };
    const module = use.module as BackendModule;
    const context = { environment, path: formatPath(use.path), deadline, resource: find };
    const backend = await at(use.path, () => module.create(use.config as never, context));
    const part = this.#add(new BackendPart(use, backend, () => backend.close()));
    part.resource = resource;
    this.backends.set(use.key, part);
    return part;
  }

  async #resource(name: string, environment: Environment): Promise<ResourcePart> {
    const made = this.resources.get(name);
    if (made !== undefined) return made;
    const use = this.config.resources.get(name);
    if (use === undefined)
      throw new SessionError('CONFIG_INVALID', `there is no resource ${JSON.stringify(name)}`);
    const { storeDeadline: deadline } = this.config;
    const known = this.#before?.resources.get(name);
    const inTime = this.#before?.config.storeDeadline === deadline;
    if (known !== undefined && inTime && sameUse(known.use, use)) {
      this.resources.set(name, known);
      return known;
    }
    const { module } = use;
    const resource = await at(use.path, () => module.create(use.config as never, { environment, deadline }));
    const part = this.#add(new Part(use, resource, () => module.close(resource)));
    this.resources.set(name, part);
    return part;
  }

  async #router(
    { name, session, router: use }: CheckedService,
    carriers: CredentialCarriers,
    { routing: environment }: Surroundings,
  ): Promise<void> {
    if (use === undefined) return;
    const backend = session && this.backends.get(session.backend.key)?.value;
    const known = this.#before?.routers.get(name);
    if (known !== undefined && known.backend === backend && sameRouter(known, use, carriers)) {
      this.routers.set(name, known);
      return;
    }
    const module = use.module as RouterModule;
    const context = { environment, service: name, servers: use.servers, carriers };
    const router = await at(use.path, () => module.create(use.config as never, context));
    const part = this.#add(new RouterPart(use, router, () => router.close()));
    part.backend = backend;
    part.carriers = carriers;
    this.routers.set(name, part);
  }
}

function sameRouter({ use, carriers }: RouterPart, next: RouterUse, needed: CredentialCarriers): boolean {
  return sameUse(use, next) && isDeepStrictEqual([use.servers, carriers], [next.servers, needed]);
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
