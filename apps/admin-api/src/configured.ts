import type { CheckedConfig } from '@sessionkit/compose';
import type { ModuleInfo, Parameters, ServerInfo, System } from './system.js';

/** The servers of a configuration, with nothing that only a process which uses them can tell. */
export function configuredServers({
  servers,
  services,
}: Pick<CheckedConfig, 'servers' | 'services'>): readonly ServerInfo[] {
  return [...servers.values()].map(({ name, url, steer }) => {
    const { protocol, hostname, port } = new URL(url);
    const secure = protocol === 'https:';
    const users = [...services.values()].filter(({ router }) =>
      router?.servers.some((server) => server.name === name),
    );
    return {
      name,
      address: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? (secure ? 443 : 80) : Number(port),
      protocol: secure ? 'https' : 'http',
      parameters: { steer },
      services: users.map((service) => service.name).sort(),
    };
  });
}

/** The modules behind the sections of a configuration. */
export function configuredModules({ modules }: Pick<CheckedConfig, 'modules'>): readonly ModuleInfo[] {
  return modules.map(({ kind, type, package: name, version }) => ({
    id: `${kind}-${type}`,
    type: kind,
    package: name,
    version,
  }));
}

/** How a module is configured: numbers and booleans only, also those within maps, since texts may be secrets, such as a key to sign with. */
export function shownParameters(section: unknown): Parameters {
  const shown: [string, unknown][] = [];
  for (const [name, value] of Object.entries(section ?? {})) {
    if (typeof value === 'number' || typeof value === 'boolean') shown.push([name, value]);
    else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const inner = shownParameters(value);
      if (Object.keys(inner).length > 0) shown.push([name, inner]);
    }
  }
  return Object.fromEntries(shown);
}

/** How each filter is configured. */
export function configuredFilters({ filters }: Pick<CheckedConfig, 'filters'>): System['filterParameters'] {
  return (name) => shownParameters(filters.get(name)?.config);
}

/** What an API alone knows of the services whose sessions it shows: what their configuration says, and nothing of the processes that run them. */
export function configuredSystem(config: CheckedConfig): Partial<System> {
  const { file, services, listeners } = config;
  return {
    serves: false,
    file,
    service: (name) => {
      const service = services.get(name);
      return (
        service && {
          name,
          router: service.router?.module.type,
          servers: service.router?.servers.map((server) => server.name),
        }
      );
    },
    servers: () => configuredServers(config),
    listeners: () => listeners.map((listener) => ({ ...listener, protocol: 'http' })),
    filterParameters: configuredFilters(config),
    modules: () => configuredModules(config),
  };
}
