import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { asMap, checkMap, type Fields } from './check-map.js';
import { checkName, isLoopback, splitListen } from './checks.js';
import type { AdminConfig, CheckedConfig, ListenerConfig, ModuleUse, ResourceUse } from './config.js';
import { crossCheck } from './cross-check.js';
import { describe } from './issues.js';
import { ModuleLoader } from './modules.js';
import { ConfigError, type Path, type Problem } from './problem.js';
import { Report } from './report.js';
import { folderOf } from './resolve.js';
import {
  adminSchema,
  fileSchema,
  filterSchema,
  listenerSchema,
  resourceSchema,
  serverSchema,
} from './schema.js';
import { jsonSchemaOf, keysAt } from './schema-view.js';
import { Sections } from './sections.js';
import { readServices } from './services.js';
import { Sessions } from './session.js';
import { didYouMean } from './suggest.js';
import type { Variables } from './variables.js';
import { readYaml } from './yaml.js';

/** The YAML itself, or where it is. With `text`, `file` gives the folder for relative paths and the name for messages. */
export type ConfigSource = { readonly file: string; readonly text?: string | undefined };

export interface ReadOptions {
  /** For `${NAME}`. Default: `process.env`. */
  readonly variables?: Variables | undefined;
  /** Where modules are looked for after the folder of the file: folders, files or file URLs, such as the `import.meta.url` of the app. */
  readonly resolveFrom?: string | readonly string[] | undefined;
  /** Export conditions besides node's own, as `node --conditions` takes them. */
  readonly conditions?: readonly string[] | undefined;
}

/** What became of a file. */
export type Reading =
  | {
      readonly config: CheckedConfig;
      readonly problems: readonly [];
      readonly warnings: readonly Problem[];
      readonly error?: undefined;
    }
  | {
      readonly config?: undefined;
      readonly problems: readonly Problem[];
      readonly warnings: readonly Problem[];
      /** All problems as one error, to be thrown or printed. */
      readonly error: ConfigError;
    };

/**
 * Reads a configuration and checks all that can be checked without starting anything: syntax, keys, values, modules with their own
 * sections, references between sections. Problems are values, and all of them come at once.
 */
export async function readConfig(source: ConfigSource | string, options: ReadOptions = {}): Promise<Reading> {
  const { file, text } = typeof source === 'string' ? { file: source } : source;
  const report = new Report();
  const config = await check(file, text, options, report);
  const problems = report.sorted(report.problems);
  const warnings = report.sorted(report.warnings);
  if (config === undefined || problems.length > 0)
    return { problems, warnings, error: new ConfigError(file, problems) };
  return { config, problems: [], warnings };
}

async function check(
  file: string,
  given: string | undefined,
  options: ReadOptions,
  report: Report,
): Promise<CheckedConfig | undefined> {
  const text = given ?? (await readText(file, report));
  if (text === undefined) return undefined;
  const value = readYaml(text, options.variables ?? process.env, report);
  if (value === undefined) return undefined;
  const top = asMap(
    value,
    [],
    report,
    'write keys such as `services:` and `listeners:`, each followed by ":"',
  );
  if (top === undefined) return undefined;

  const places = [dirname(resolve(file)), ...[options.resolveFrom ?? []].flat().map(folderOf)];
  const loader = new ModuleLoader(places, options.conditions ?? []);
  const sections = new Sections(loader, report);
  const known = keysAt(jsonSchemaOf(fileSchema), []);
  for (const key of Object.keys(top)) {
    if (!known.includes(key))
      report.problem([key], 'this key is not known here', didYouMean(key, known, 'known keys'));
  }

  const resourceFields = names(top, 'resources', report);
  const servers = readServers(top, report);
  const filterFields = names(top, 'filters', report);
  const sessions = new Sessions(sections, report, resourceFields);
  // `session` and `services` first: of sections that wait for one missing package, the one that uses it is reported.
  const { services, sessions: settled } = await readServices(
    top,
    names(top, 'services', report),
    names(top, 'servers', report),
    {
      sections,
      sessions,
      report,
      servers,
      filters: Object.keys(filterFields),
    },
  );
  const filters = await readFilters(filterFields, sections, report);
  const resources = await readResources(resourceFields, sections, report);
  const { listeners, addresses } = readListeners(top, report);
  const admin = readAdmin(top, dirname(resolve(file)), report);
  const rest = readRest(top, report);
  crossCheck({ top, services, sessions: settled, listeners, addresses, admin, used: sessions.used }, report);
  return {
    file,
    resources,
    services,
    filters,
    listeners,
    servers,
    modules: loader.sources,
    trustProxy: rest.trust_proxy ?? [],
    admin: admin || undefined,
    drainTimeout: Math.round((rest.drain_timeout ?? 10) * 1000),
    storeDeadline: Math.round((rest.store_deadline ?? 2) * 1000),
  };
}

async function readText(file: string, report: Report): Promise<string | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = {
      ENOENT: 'there is no such file',
      EACCES: 'the file may not be read',
      EISDIR: 'this is a folder',
    };
    const known = why[code as keyof typeof why];
    report.problem([], known ?? `the file cannot be read: ${message}`, 'name the configuration file');
    return undefined;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    report.problem([], 'the file is not UTF-8 text', 'save it as UTF-8');
    return undefined;
  }
}

/** The named entries of a section, without those whose name cannot be used. */
function names(top: Fields, key: string, report: Report): Fields {
  if (!Object.hasOwn(top, key)) return {};
  const map = asMap(
    top[key],
    [key],
    report,
    `write \`${key}:\` with a name and its keys below it, or remove it`,
  );
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(map ?? {})) {
    const found = checkName(name);
    if (found === undefined) result[name] = value;
    else report.problem([key, name], found.message, found.fix);
  }
  return result;
}

function readServers(top: Fields, report: Report) {
  const servers = new Map<string, { name: string; url: string; steer: boolean }>();
  for (const [name, value] of Object.entries(names(top, 'servers', report))) {
    const path = ['servers', name];
    const map = asMap(value, path, report, 'write its url: `{ url: "http://127.0.0.1:9001" }`');
    if (map === undefined) continue;
    const { url, steer = false } = checkMap(serverSchema, map, path, report);
    if (url !== undefined) servers.set(name, { name, url: new URL(url).origin, steer });
  }
  return servers;
}

async function readResources(fields: Fields, sections: Sections, report: Report) {
  const resources = new Map<string, ResourceUse>();
  for (const [name, value] of Object.entries(fields)) {
    const path = ['resources', name];
    const map = asMap(value, path, report, 'write its kind and its parameters: `{ _class: redis, url: … }`');
    if (map === undefined) continue;
    if (
      checkMap(resourceSchema.pick({ _class: true }), { _class: map._class }, path, report)._class ===
      undefined
    )
      continue;
    const use = await sections.check('resource', map, path);
    if (use !== undefined) resources.set(name, use as ResourceUse);
  }
  return resources;
}

async function readFilters(fields: Fields, sections: Sections, report: Report) {
  const filters = new Map<string, ModuleUse>();
  for (const [name, value] of Object.entries(fields)) {
    const path = ['filters', name];
    const map = asMap(value, path, report, 'write its type: `{ type: log }`');
    if (map === undefined) continue;
    if (checkMap(filterSchema, { type: map.type }, path, report).type === undefined) continue;
    const use = await sections.check('filter', map, path);
    if (use !== undefined) filters.set(name, use);
  }
  return filters;
}

function readListeners(top: Fields, report: Report) {
  const listeners: ListenerConfig[] = [];
  /** Where something would listen, also for no service. */
  const addresses: Omit<ListenerConfig, 'service'>[] = [];
  for (const [name, value] of Object.entries(names(top, 'listeners', report))) {
    const path = ['listeners', name];
    const map = asMap(value, path, report, 'write its service and port: `{ service: shop, port: 8080 }`');
    if (map === undefined) continue;
    const { service, address, port } = checkMap(listenerSchema, map, path, report);
    if (address === undefined || port === undefined) continue;
    addresses.push({ name, address, port });
    if (service !== undefined) listeners.push({ name, service, address, port });
  }
  return { listeners, addresses };
}

/** False: none is wanted. Undefined: it is wrong. */
function readAdmin(top: Fields, folder: string, report: Report): AdminConfig | false | undefined {
  const path: Path = ['admin'];
  const value = Object.hasOwn(top, 'admin') ? top.admin : {};
  if (value === false) return false;
  const map = asMap(
    value,
    path,
    report,
    'write for example `admin: { listen: 127.0.0.1:8989 }`, or `admin: false`',
  );
  if (map === undefined) return undefined;
  const read = checkMap(adminSchema, map, path, report);
  const { listen, users_file = '', hosts = [], insecure = false } = read;
  if (listen === false) return false;
  const where = listen === undefined ? undefined : splitListen(listen);
  if (where === undefined) return undefined;
  // A section with a mistake in it was meant as well.
  if (!insecure && map.tls === undefined && !isLoopback(where.address))
    report.problem(
      ['admin', 'listen'],
      `${JSON.stringify(listen)} can be reached from other machines, and passwords would cross the network in the clear`,
      'add `tls: { cert: FILE, key: FILE }`, or listen on 127.0.0.1 behind a proxy with TLS, or add `insecure: true` where the network is safe',
    );
  return {
    ...where,
    usersFile: resolve(folder, users_file),
    hosts,
    tls: read.tls && {
      cert: resolve(folder, read.tls.cert),
      key: resolve(folder, read.tls.key),
      ca: read.tls.ca === undefined ? undefined : resolve(folder, read.tls.ca),
      minVersion: read.tls.min_version,
    },
    insecure,
    basicSeesActivity: read.basic_sees_activity ?? false,
    showData: read.show_data ?? false,
  };
}

const restSchema = fileSchema.pick({ trust_proxy: true, drain_timeout: true, store_deadline: true });

function readRest(top: Fields, report: Report) {
  const rest = Object.fromEntries(Object.keys(restSchema.shape).map((key) => [key, top[key]]));
  if (typeof rest.trust_proxy === 'boolean' || typeof rest.trust_proxy === 'string') {
    const word = describe(rest.trust_proxy, false);
    report.problem(
      ['trust_proxy'],
      `must be a list of addresses, not ${word}${rest.trust_proxy === true ? ': whoever connects could claim any client address' : ''}`,
      'name the proxies in front of this one, for example `trust_proxy: [127.0.0.1/32]`',
    );
    rest.trust_proxy = undefined;
  }
  return checkMap(restSchema, rest, [], report);
}
