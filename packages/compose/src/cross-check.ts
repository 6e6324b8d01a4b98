import type { Fields } from './check-map.js';
import type { AdminConfig, CheckedService, CheckedSession, ListenerConfig } from './config.js';
import type { Path } from './problem.js';
import type { Report } from './report.js';
import { didYouMean } from './suggest.js';

interface Parts {
  readonly top: Fields;
  /** Those that are right. */
  readonly services: ReadonlyMap<string, CheckedService>;
  /** Those whose session is right, whatever their router is. */
  readonly sessions: readonly Pick<CheckedService, 'name' | 'path' | 'session'>[];
  readonly listeners: readonly ListenerConfig[];
  /** Where listeners are, whatever their service is. */
  readonly addresses: readonly Omit<ListenerConfig, 'service'>[];
  readonly admin: AdminConfig | false | undefined;
  /** Names of resources that a backend uses. */
  readonly used: ReadonlySet<string>;
}

/** What no section can tell by itself: names that lead nowhere, two of something where one may be, what nobody uses. */
export function crossCheck(parts: Parts, report: Report): void {
  checkListeners(parts, report);
  checkPorts(parts, report);
  checkShared(parts.sessions, report);
  for (const service of parts.sessions) {
    checkAbilities(service, report);
    doubtMaxData(service, report);
  }
  checkUse(parts, report);
}

const entries = (top: Fields, key: string): [string, unknown][] => {
  const map = top[key];
  return typeof map === 'object' && map !== null ? Object.entries(map) : [];
};

const keys = (top: Fields, key: string): string[] => entries(top, key).map(([name]) => name);

/** Also of listeners that are wrong in something else. */
function checkListeners({ top, services }: Parts, report: Report): void {
  const known = keys(top, 'services');
  for (const [name, listener] of entries(top, 'listeners')) {
    const service =
      typeof listener === 'object' && listener !== null && 'service' in listener ? listener.service : '';
    if (typeof service !== 'string' || service === '') continue;
    const path = ['listeners', name, 'service'];
    if (!known.includes(service))
      report.problem(
        path,
        `there is no service ${JSON.stringify(service)}`,
        didYouMean(service, known, 'services'),
      );
    else if (services.has(service) && services.get(service)?.router === undefined)
      report.problem(
        path,
        `the service ${JSON.stringify(service)} has no router: nothing would answer requests`,
        `add \`router: { type: proxy, servers: [server1] }\` to services.${service}`,
      );
  }
}

interface Place {
  readonly path: Path;
  readonly label: string;
  readonly address: string;
  readonly port: number;
}

const isWildcard = (address: string) => address === '0.0.0.0' || address === '::';

function checkPorts({ addresses, admin }: Parts, report: Report): void {
  const all: Place[] = admin ? [{ ...admin, path: ['admin', 'listen'], label: 'the admin API' }] : [];
  for (const { name, address, port } of addresses)
    all.push({ path: ['listeners', name, 'port'], label: `listener ${JSON.stringify(name)}`, address, port });
  const places = all.map((place) => ({
    ...place,
    address: place.address === 'localhost' ? '127.0.0.1' : place.address,
  }));
  for (const [i, place] of places.entries()) {
    const same = ({ address, port }: Place) =>
      port === place.port && (address === place.address || isWildcard(address) || isWildcard(place.address));
    const first = places.slice(0, i).find(same);
    if (place.port !== 0 && first !== undefined)
      report.problem(
        place.path,
        `${place.address}:${place.port} is taken already by ${first.label}`,
        'choose another port, or 0 for any free one',
      );
  }
}

function checkAbilities({ name, path, session }: Parts['sessions'][number], report: Report): void {
  if (session?.options.maxPerUser === undefined || session.backend.abilities.includes('slots')) return;
  const own = [...path, 'session', 'max_per_user'];
  report.problem(
    report.isWritten(own) ? own : ['session', 'max_per_user'],
    `the backend ${JSON.stringify(session.backend.module.type)} of service ${JSON.stringify(name)} can't count the sessions of a user`,
    'remove `max_per_user`, or choose a backend with user slots, such as memory',
  );
}

/** By convention a backend that bounds the size of a record has one of these options. */
const BOUNDS = ['max_record_bytes', 'max_bytes'];

function doubtMaxData({ path, session }: Parts['sessions'][number], report: Report): void {
  const { maxData } = session?.options ?? {};
  if (session === undefined || maxData === undefined) return;
  const section = Object.entries(session.backend.config ?? {});
  const [bound, most] =
    section.find(([key, value]) => BOUNDS.includes(key) && typeof value === 'number' && value < maxData) ??
    [];
  if (bound === undefined) return;
  const own = [...path, 'session', 'max_data'];
  report.warn(
    report.isWritten(own) ? own : ['session', 'max_data'],
    `${maxData} bytes are more than the backend takes: its \`${bound}\` is ${most}`,
    `make it smaller than \`${bound}\`, which counts more than the data`,
  );
}

interface Stateful {
  readonly service: Parts['sessions'][number];
  readonly session: CheckedSession;
  readonly group: string;
}

/** Sessions of two services must not be taken for each other's. */
function checkShared(services: Parts['sessions'], report: Report): void {
  const stateful = services.flatMap((service): Stateful[] => {
    const { session, name } = service;
    return session === undefined ? [] : [{ service, session, group: session.options.share ?? name }];
  });
  for (const [i, one] of stateful.entries()) {
    for (const other of stateful.slice(0, i)) {
      if (one.group === other.group) checkGroup(one, other, report);
      else checkCookies(one, other, report);
    }
  }
}

function checkGroup(one: Stateful, other: Stateful, report: Report): void {
  const { share } = one.session.options;
  const path = sharePath(one, report);
  if (share === undefined || other.session.options.share === undefined)
    report.problem(
      path,
      `the group ${JSON.stringify(one.group)} has the name of a service that does not share its sessions`,
      'choose another name for the group, or say `share` in that service too',
    );
  else if (one.session.backend.key !== other.session.backend.key)
    report.problem(
      path,
      `${quoted(other)} and ${quoted(one)} share sessions, but have different backends`,
      'give both the same `backend` section',
    );
}

function checkCookies(one: Stateful, other: Stateful, report: Report): void {
  const cookies = other.session.transports.map(({ carrier }) => carrier.cookie);
  const common = one.session.transports.find(
    ({ carrier }) => carrier.cookie !== undefined && cookies.includes(carrier.cookie),
  )?.carrier.cookie;
  if (common === undefined) return;
  const both = `${quoted(other)} and ${quoted(one)}`;
  if (one.session.backend.key === other.session.backend.key)
    report.problem(
      one.service.path,
      `${both} use the cookie ${JSON.stringify(common)} on one backend: a browser has room for one of the two sessions only`,
      'give one of them another `cookie_name`, or both the same `share: <group>`',
    );
  else
    report.warn(
      one.service.path,
      `${both} use the cookie ${JSON.stringify(common)}: a browser that reaches both under one host name has room for one session only`,
      'give one of them another `cookie_name`, unless their host names differ',
    );
}

const quoted = ({ service }: Stateful) => JSON.stringify(service.name);

function sharePath({ service }: Stateful, report: Report): Path {
  const own = [...service.path, 'session', 'share'];
  return report.isWritten(own) ? own : service.path;
}

function checkUse({ top, services, listeners, used }: Parts, report: Report): void {
  for (const name of keys(top, 'resources')) {
    if (!used.has(name))
      report.warn(['resources', name], 'no backend uses this resource', 'remove it, or name it in a backend');
  }
  const all = [...services.values()];
  // With a service left out for its own problems nobody knows what it would have used.
  if (all.length < keys(top, 'services').length) return;
  for (const name of keys(top, 'servers')) {
    const users = all.filter(({ router }) => router?.servers.some((server) => server.name === name));
    const steers = users.some(({ router }) => router?.servers.some((s) => s.name === name && s.steer));
    if (users.length === 0)
      report.warn(['servers', name], 'no router uses this server', 'remove it, or name it in a router');
    else if (steers && users.every(({ session }) => session === undefined))
      report.warn(
        ['servers', name, 'steer'],
        'there is nothing to steer: every service that uses this server is stateless',
        'remove `steer`, or give a service a session',
      );
  }
  if (listeners.length === 0) return;
  for (const { name, path } of all) {
    if (!listeners.some(({ service }) => service === name))
      report.warn(path, 'no listener leads to this service', 'add one, or remove the service');
  }
}
