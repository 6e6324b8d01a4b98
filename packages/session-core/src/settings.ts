import { type Backend, can } from './backend.js';
import type { Times } from './changes.js';
import { nameProblem } from './data.js';
import type { Millis } from './environment.js';
import { SessionError } from './errors.js';
import { type LegacySessions, legacyProblem } from './legacy.js';
import { SITE_DATA, type SiteData } from './lists.js';
import { PathRules } from './paths.js';
import type { LimitOptions, ServiceOptions } from './service.js';
import { KEEP_ENDED } from './store.js';
import type { HeaderField, Transport } from './transport.js';
import { TypedData } from './typed-data.js';

const HOUR = 3_600_000;
const MAX_DATA = 262_144;
const MODES: readonly unknown[] = ['required', 'optional', 'none'];

/** The options of a service, checked and with every default filled in. */
export interface Settings {
  readonly name: string;
  readonly group: string;
  readonly transports: readonly Transport[];
  readonly times: Times;
  readonly autoCreate: boolean | 'on_write';
  readonly rules: PathRules;
  readonly onDead: 'error' | 'renew';
  readonly keepEnded: Millis;
  readonly maxData: number;
  /** Undefined when nothing is known of the data. */
  readonly data: TypedData | undefined;
  readonly maxPerUser: { readonly max: number; readonly full: 'refuse' | 'oldest' } | undefined;
  readonly allowOrigins: ReadonlySet<string>;
  /** Said by the answer of a logout. */
  readonly farewell: readonly HeaderField[];
  readonly limits: LimitOptions | undefined;
  readonly legacy: LegacySessions | undefined;
  /** A transport of the service is sent by browsers on their own. */
  readonly ambient: boolean;
  /** Value of `Vary` for answers that hand out or take back a token; undefined when the URL tells. */
  readonly vary: string | undefined;
}

/** @throws SessionError `CONFIG_INVALID` naming every problem, or `UNSUPPORTED` when the backend lacks an ability. */
export function settle(name: string, options: ServiceOptions): Settings {
  const problems: string[] = [];
  const say = (what: string, problem: string | undefined) => {
    if (problem !== undefined) problems.push(`${what} ${problem}`);
  };
  const span = (what: string, value: Millis | undefined, least: number) => {
    if (value === undefined || (Number.isFinite(value) && value >= least)) return;
    problems.push(`${what} must be a number of milliseconds, at least ${least}, not ${value}`);
  };
  const whole = (what: string, value: number | undefined) => {
    if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) return;
    problems.push(`${what} must be a whole number, at least 1, not ${value}`);
  };

  const oneOf = (what: string, value: unknown, words: readonly unknown[]) => {
    if (value === undefined || words.includes(value)) return;
    problems.push(
      `${what} must be ${words.slice(0, -1).join(', ')} or ${words.at(-1)}, not ${String(value)}`,
    );
  };

  say('the name of the service', nameProblem(name));
  if (options.share !== undefined) say('share', nameProblem(options.share));
  span('duration', options.duration, 1);
  span('idleTimeout', options.idleTimeout, 1);
  span('anonymousIdle', options.anonymousIdle, 1);
  span('keepEnded', options.keepEnded, 0);
  whole('maxData', options.maxData);
  oneOf('session', options.session, MODES);
  oneOf('autoCreate', options.autoCreate, [true, false, 'on_write']);
  oneOf('onDead', options.onDead, ['error', 'renew']);
  say('loginUrl', urlProblem(options.loginUrl));
  for (const { prefix, session, loginUrl } of options.paths ?? []) {
    if (!prefix.startsWith('/')) problems.push(`paths: the prefix "${prefix}" must begin with /`);
    oneOf(`paths: session of "${prefix}"`, session, MODES);
    say(`paths: loginUrl of "${prefix}"`, urlProblem(loginUrl));
  }
  if (options.maxPerUser !== undefined) {
    whole('maxPerUser.max', options.maxPerUser.max);
    oneOf('maxPerUser.full', options.maxPerUser.full, ['refuse', 'oldest']);
  }
  if (options.limits) {
    whole('limits.creations', options.limits.creations);
    whole('limits.failedTokens', options.limits.failedTokens);
  }
  for (const origin of options.allowOrigins ?? []) {
    if (!/^https?:\/\/[^/\s]+$/.test(origin)) {
      problems.push(`allowOrigins: "${origin}" must be an origin such as https://app.example.com`);
    }
  }
  for (const what of options.clearSiteData ?? []) oneOf('clearSiteData', what, SITE_DATA);
  const transports = options.transports ?? [];
  if (options.backend !== undefined && transports.length === 0) {
    problems.push('transports must name at least one transport, such as cookie()');
  }
  if (options.legacy !== undefined) say('legacy', legacyProblem(transports, options.backend === undefined));
  if (problems.length > 0) {
    throw new SessionError('CONFIG_INVALID', `service "${name}": ${problems.join('; ')}`);
  }
  checkAbilities(name, options, options.backend);
  const duration = options.duration ?? HOUR;
  const idle = options.idleTimeout ?? duration;
  const vary = [
    ...new Set(transports.map((transport) => transport.vary).filter((field) => field !== undefined)),
  ];
  return {
    name,
    group: options.share ?? name,
    transports,
    times: { duration, idle, anonymousIdle: options.anonymousIdle ?? idle },
    autoCreate: options.autoCreate ?? false,
    rules: new PathRules(options.paths ?? [], {
      mode: options.session ?? 'optional',
      loginUrl: options.loginUrl,
    }),
    onDead: options.onDead ?? 'error',
    keepEnded: options.keepEnded ?? KEEP_ENDED,
    maxData: options.maxData ?? MAX_DATA,
    data: options.data && new TypedData(name, options.data),
    maxPerUser: options.maxPerUser,
    allowOrigins: new Set(options.allowOrigins),
    farewell: farewell(options.clearSiteData ?? []),
    limits: options.limits || undefined,
    legacy: options.legacy,
    ambient: transports.some((transport) => transport.ambient),
    vary: vary.length === 0 ? undefined : vary.join(', '),
  };
}

function farewell(what: readonly SiteData[]): readonly HeaderField[] {
  return what.length === 0 ? [] : [['clear-site-data', what.map((each) => `"${each}"`).join(', ')]];
}

function urlProblem(url: string | undefined): string | undefined {
  if (url === undefined || /^(?:https?:\/\/|\/)[\x21-\x7e]*$/.test(url)) return undefined;
  return 'must be a path such as /login, or a URL that begins with http:// or https://, without spaces';
}

function checkAbilities(name: string, options: ServiceOptions, backend: Backend | undefined): void {
  if (options.maxPerUser === undefined || backend === undefined || can(backend, 'slots')) return;
  throw new SessionError(
    'UNSUPPORTED',
    `service "${name}": maxPerUser needs a backend that counts the sessions of a user; ${backend.type} can't`,
  );
}
