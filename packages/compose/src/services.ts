import type { ServerTarget } from '@sessionkit/session-core';
import * as z from 'zod';
import { asMap, checkMap, type Fields } from './check-map.js';
import type { BackendUse, CheckedService, CheckedSession } from './config.js';
import type { Path } from './problem.js';
import type { Report } from './report.js';
import { type SessionFields, serviceSchema } from './schema.js';
import type { Sections } from './sections.js';
import { optionsOf, type SessionPart, type Sessions } from './session.js';
import { didYouMean } from './suggest.js';

/** The session is read by its own rules, key by key. */
const readHere = serviceSchema.extend({ session: z.unknown() });

interface Tools {
  readonly sections: Sections;
  readonly sessions: Sessions;
  readonly report: Report;
  /** Those that are right; {@link readServices} is told all names. */
  readonly servers: ReadonlyMap<string, ServerTarget>;
  /** Names of all filters. */
  readonly filters: readonly string[];
}

/** What was read of `services:`. */
interface ReadServices {
  /** Those that are right. A service whose session or router is wrong has a problem already. */
  readonly services: ReadonlyMap<string, CheckedService>;
  /** Those whose session is right, for checks that ask for no router. */
  readonly sessions: readonly Pick<CheckedService, 'name' | 'path' | 'session'>[];
}

/** Reads `services:`, each with the session it inherits. */
export async function readServices(
  top: Fields,
  services: Fields,
  servers: Fields,
  tools: Tools,
): Promise<ReadServices> {
  const { report, sessions } = tools;
  const result = new Map<string, CheckedService>();
  const settled: Pick<CheckedService, 'name' | 'path' | 'session'>[] = [];
  const general = await sessions.read(Object.hasOwn(top, 'session') ? top.session : undefined, ['session']);
  if (Object.keys(services).length === 0 && report.problems.every(({ path }) => !path.startsWith('services')))
    report.problem(
      Object.hasOwn(top, 'services') ? ['services'] : [],
      'no service is named',
      'add `services: { shop: { router: { type: proxy, servers: [server1] } } }` and `servers: { server1: { url: … } }`',
    );
  for (const [name, value] of Object.entries(services)) {
    const path = ['services', name];
    const map = asMap(
      value,
      path,
      report,
      'write its router: `{ router: { type: proxy, servers: [server1] } }`',
    );
    if (map === undefined) continue;
    const { session: written, ...rest } = map;
    const { router, filters = [], queries: shown } = checkMap(readHere, rest, path, report);
    checkFilters(filters, [...path, 'filters'], tools);
    const own = await sessions.read(written, [...path, 'session']);
    const session = await settle(own, general, tools);
    const built =
      router === undefined ? undefined : await readRouter(router, [...path, 'router'], servers, tools);
    if (session === undefined) continue;
    const queries = { names: shown?.parameters === 'names', values: shown?.values ?? [] };
    const service = { name, path, session: session || undefined, filters, queries };
    checkShown(service, report);
    if (filters.length > 0 && service.session === undefined)
      report.warn(
        [...path, 'filters'],
        'the service is stateless: no request goes through a filter',
        'remove them, or give the service a session',
      );
    settled.push(service);
    if (built !== undefined || !Object.hasOwn(map, 'router')) result.set(name, { ...service, router: built });
  }
  return { services: result, sessions: settled };
}

/** False: stateless. Undefined: something of it is wrong. */
async function settle(
  own: SessionPart | false | undefined,
  general: SessionPart | false | undefined,
  tools: Tools,
): Promise<CheckedSession | false | undefined> {
  if (own === false) return false;
  const parts = [own, general].filter((part) => typeof part === 'object');
  const [nearest] = parts;
  if (nearest === undefined) return false;
  const fields: SessionFields = { ...(general ? general.fields : undefined), ...own?.fields };
  doubtIdle(fields, parts, tools.report);
  const transports = parts.map((part) => part.transports).find((one) => one !== 'left out');
  const backend = parts.map((part) => part.backend).find((one) => one !== 'left out');
  const outermost = parts.at(-1) ?? nearest;
  const leftOut = (key: 'transports' | 'backend') => parts.every((part) => part[key] === 'left out');
  const carriers = leftOut('transports') ? await defaultTransport(outermost.path, tools) : transports;
  const store = leftOut('backend') ? await defaultBackend(outermost.path, tools) : backend;
  if (carriers === undefined || carriers === 'left out' || store === undefined) return undefined;
  const carried = tools.sessions.carried(carriers);
  return { options: optionsOf(fields), transports: carriers, carried, backend: store };
}

async function defaultTransport(path: Path, { sessions, report }: Tools) {
  const section = { type: 'cookie' };
  const made = await sessions.transports(section, section, path);
  const name = made === 'left out' ? undefined : made?.[0]?.carrier.cookie;
  if (name !== undefined)
    report.warn(
      [...path, 'transport'],
      `no transport is named: sessions travel in the cookie ${JSON.stringify(name)}`,
      'write `transport: { type: cookie }` if that is right',
    );
  return made;
}

async function defaultBackend(path: Path, { sessions, report }: Tools): Promise<BackendUse | undefined> {
  const section = { type: 'memory' };
  const made = await sessions.backend(section, section, path);
  report.warn(
    [...path, 'backend'],
    'no backend is named: sessions are kept in the memory of this process and end with it',
    'write `backend: { type: memory }` if that is right',
  );
  return made === 'left out' ? undefined : made;
}

function doubtIdle(fields: SessionFields, parts: readonly SessionPart[], report: Report): void {
  const { duration = 3600, idle_timeout = 0, anonymous_idle = 0 } = fields;
  const at = (key: 'idle_timeout' | 'anonymous_idle') => {
    const part = parts.find((one) => one.fields[key] !== undefined);
    return [...(part?.path ?? []), key];
  };
  if (idle_timeout > duration)
    report.warn(
      at('idle_timeout'),
      `${idle_timeout} seconds are longer than the session's duration of ${duration}, which ends it first`,
      'make it shorter than `duration`, or leave it out',
    );
  if (anonymous_idle > Math.min(duration, idle_timeout || duration))
    report.warn(
      at('anonymous_idle'),
      `${anonymous_idle} seconds are longer than other sessions may go unused`,
      'make it shorter than `idle_timeout` and `duration`, or leave it out',
    );
}

function checkFilters(names: readonly string[], path: Path, { report, filters }: Tools): void {
  for (const [at, name] of names.entries()) {
    const own = [...path, at];
    if (!filters.includes(name))
      report.problem(own, `there is no filter ${JSON.stringify(name)}`, didYouMean(name, filters, 'filters'));
    else if (names.indexOf(name) < at)
      report.problem(own, `the filter ${JSON.stringify(name)} is named twice`, 'name it once');
  }
}

/** A token is never shown, whatever is asked for. */
function checkShown({ path, session, queries }: Omit<CheckedService, 'router'>, report: Report): void {
  for (const [at, name] of queries.values.entries())
    if (session?.transports.some(({ carrier }) => carrier.query === name))
      report.problem(
        [...path, 'queries', 'values', at],
        `the parameter ${JSON.stringify(name)} carries the session token, which is never shown`,
        'remove it',
      );
}

async function readRouter(
  section: Fields,
  path: Path,
  known: Fields,
  tools: Tools,
): Promise<CheckedService['router']> {
  const { report, servers } = tools;
  const use = await tools.sections.check('router', section, path);
  // By convention `servers` of a router lists names of servers. One that has no such key may use all of them.
  if (!Array.isArray(section.servers)) return use && { ...use, servers: [...servers.values()] };
  const targets: ServerTarget[] = [];
  let good = true;
  for (const [i, name] of section.servers.entries()) {
    if (typeof name !== 'string') continue;
    const target = servers.get(name);
    if (target !== undefined && targets.includes(target)) {
      report.problem(
        [...path, 'servers', i],
        `${JSON.stringify(name)} is listed twice`,
        'remove one of the two',
      );
      good = false;
    } else if (target !== undefined) targets.push(target);
    else {
      good = false;
      if (Object.hasOwn(known, name)) continue;
      const all = Object.keys(known);
      const fix =
        all.length === 0 ? `add it: \`servers: { ${name}: { url: … } }\`` : didYouMean(name, all, 'servers');
      report.problem([...path, 'servers', i], `there is no server ${JSON.stringify(name)}`, fix);
    }
  }
  return use === undefined || !good ? undefined : { ...use, servers: targets };
}
