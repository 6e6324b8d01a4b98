import {
  type ServiceOptions,
  SessionError,
  type Transport,
  type TransportModule,
} from '@sessionkit/session-core';
import { asMap, checkMap, type Fields } from './check-map.js';
import type { BackendUse, ModuleUse } from './config.js';
import { KNOWN_TYPES } from './modules.js';
import { formatPath, type Path } from './problem.js';
import type { Report } from './report.js';
import { type SessionFields, sessionSchema } from './schema.js';
import type { Sections } from './sections.js';
import { didYouMean } from './suggest.js';

const DAY = 86_400;

/** One `session:` section: the one at the top, or what a service changes of it. */
export interface SessionPart {
  readonly path: Path;
  readonly fields: SessionFields;
  /** `'left out'`: not written. Undefined: written, but wrong. */
  readonly transports: readonly Transport[] | 'left out' | undefined;
  readonly backend: BackendUse | 'left out' | undefined;
}

/** Reads `session:` sections. */
export class Sessions {
  readonly #sections: Sections;
  readonly #report: Report;
  readonly #resources: Fields;
  /** Names of resources that a backend uses. */
  readonly used = new Set<string>();
  readonly #sectionOf = new WeakMap<Transport, ModuleUse>();

  constructor(sections: Sections, report: Report, resources: Fields) {
    this.#sections = sections;
    this.#report = report;
    this.#resources = resources;
  }

  /** False: stateless. Undefined: not written, or no map. */
  async read(value: unknown, path: Path): Promise<SessionPart | false | undefined> {
    if (value === undefined || value === false) return value;
    const fix = 'write `session: {}` for a session with all defaults, or `session: false` for none';
    const map = asMap(value, path, this.#report, fix);
    if (map === undefined) return undefined;
    const fields = checkMap(sessionSchema, map, path, this.#report);
    this.#doubts(fields, path);
    return {
      path,
      fields,
      transports: await this.transports(fields.transport, map.transport, path),
      backend: await this.backend(fields.backend, map.backend, path),
    };
  }

  async transports(
    checked: SessionFields['transport'],
    written: unknown,
    path: Path,
  ): Promise<SessionPart['transports']> {
    if (written === undefined || written === null) return 'left out';
    const at = [...path, 'transport'];
    if (checked === undefined || checked === null) {
      // Something in the list is no section; the others are looked at all the same.
      if (Array.isArray(written))
        for (const [i, one] of written.entries()) if (hasType(one)) await this.#transport(one, [...at, i]);
      return undefined;
    }
    const list = Array.isArray(checked)
      ? checked.map((one, i) => ({ one, at: [...at, i] }))
      : [{ one: checked, at }];
    const made = await Promise.all(list.map(({ one, at }) => this.#transport(one, at)));
    const transports = made.filter((transport) => transport !== undefined);
    if (transports.length < list.length) return undefined;
    const seen = new Map<string, Path>();
    for (const [i, { carrier }] of transports.entries()) {
      const where = JSON.stringify([carrier.cookie, carrier.query, carrier.requestHeader]);
      const first = seen.get(where);
      const here = list[i]?.at ?? at;
      if (first === undefined) seen.set(where, here);
      else
        this.#report.problem(
          here,
          `carries the token in the same place as ${formatPath(first)}`,
          'remove one of the two, or give them different names',
        );
    }
    return transports;
  }

  /** The sections that transports were made of. */
  carried(transports: readonly Transport[]): readonly ModuleUse[] {
    return transports.flatMap((transport) => this.#sectionOf.get(transport) ?? []);
  }

  async #transport(section: Fields, path: Path): Promise<Transport | undefined> {
    const use = await this.#sections.check('transport', section, path);
    if (use === undefined) return undefined;
    const module = use.module as TransportModule;
    try {
      const transport = module.create(use.config as never);
      this.#sectionOf.set(transport, use);
      return transport;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const fix = error instanceof SessionError ? 'correct this section' : 'correct the module';
      this.#report.problem(path, `the transport cannot be made: ${reason}`, fix);
      return undefined;
    }
  }

  async backend(
    checked: SessionFields['backend'],
    written: unknown,
    path: Path,
  ): Promise<SessionPart['backend']> {
    if (written === undefined || written === null) return 'left out';
    if (checked === undefined || checked === null) return undefined;
    const at = [...path, 'backend'];
    const use = await this.#sections.check('backend', checked, at);
    const known = KNOWN_TYPES.resource.includes(checked.type) ? checked.type : undefined;
    const module = use?.module;
    const wanted = module !== undefined && 'resourceClass' in module ? module.resourceClass : known;
    const resource = this.#resource(checked.resource, wanted, at);
    if (use !== undefined && wanted !== undefined && typeof checked.resource !== 'string')
      this.#unnamed(wanted, at);
    if (use === undefined || (wanted !== undefined && resource === undefined)) return undefined;
    const key = stable([checked.type, use.config, resource]);
    const abilities = 'abilities' in use.module ? use.module.abilities : [];
    return { ...use, key, resource, abilities };
  }

  /** The name of the resource, if it is there and of the right class. */
  #resource(name: unknown, wanted: string | undefined, path: Path): string | undefined {
    if (wanted === undefined || typeof name !== 'string') return undefined;
    const at = [...path, 'resource'];
    const names = Object.keys(this.#resources);
    if (!names.includes(name)) {
      const fix =
        names.length === 0
          ? `add it: \`resources: { ${JSON.stringify(name)}: { _class: ${wanted}, … } }\``
          : didYouMean(name, names, 'resources');
      this.#report.problem(at, `there is no resource ${JSON.stringify(name)}`, fix);
      return undefined;
    }
    this.used.add(name);
    const resource = this.#resources[name] as Fields | null;
    const found = typeof resource === 'object' ? resource?._class : undefined;
    if (typeof found === 'string' && found !== wanted) {
      this.#report.problem(
        at,
        `the resource ${JSON.stringify(name)} is of class ${JSON.stringify(found)}, this backend needs ${JSON.stringify(wanted)}`,
        `name a resource with \`_class: ${wanted}\``,
      );
      return undefined;
    }
    return name;
  }

  /** Its own schema has not said so. */
  #unnamed(wanted: string, path: Path): void {
    const fit = Object.entries(this.#resources).find(
      ([, each]) => (each as Fields | null | undefined)?._class === wanted,
    );
    const fix =
      fit === undefined
        ? `add \`resource: NAME\`, and \`resources: { NAME: { _class: ${wanted}, … } }\``
        : `add \`resource: ${fit[0]}\``;
    this.#report.problem(
      [...path, 'resource'],
      `this backend needs a resource of class ${JSON.stringify(wanted)}`,
      fix,
    );
  }

  #doubts(fields: SessionFields, path: Path): void {
    const { duration, paths = [] } = fields;
    if (duration !== undefined && duration > 400 * DAY)
      this.#report.warn(
        [...path, 'duration'],
        `${duration} seconds are ${Math.round(duration / DAY)} days, and browsers keep no cookie for more than 400`,
        'durations are in seconds',
      );
    else if (duration !== undefined && looksLikeMillis(duration))
      this.#report.warn(
        [...path, 'duration'],
        `${duration} seconds are ${Math.round(duration / DAY)} days, and look like the milliseconds of ${duration / 60_000} minutes`,
        `durations are in seconds: \`duration: ${duration / 1000}\``,
      );
    const seen = new Set<string>();
    for (const [i, { prefix }] of paths.entries()) {
      const plain = prefix.toLowerCase().replace(/\/+$/, '');
      if (seen.has(plain))
        this.#report.problem(
          [...path, 'paths', i, 'prefix'],
          `${JSON.stringify(prefix)} has a rule already (case does not count)`,
          'remove one of the two rules',
        );
      seen.add(plain);
    }
  }
}

/** Whole minutes of milliseconds, and no whole days of seconds. */
function looksLikeMillis(seconds: number): boolean {
  return seconds >= 600_000 && seconds % 60_000 === 0 && seconds % DAY !== 0;
}

function hasType(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

/** JSON text that is equal for equal values, whatever the order of their keys. */
function stable(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

const ms = (seconds: number | undefined) => (seconds === undefined ? undefined : Math.round(seconds * 1000));

/** The options of a service, in the names and units of the code. A gateway has limits unless they are switched off. */
export function optionsOf(fields: SessionFields): Omit<ServiceOptions, 'backend' | 'transports'> {
  const { limits = { creations: 300, failed_tokens: 300 } } = fields;
  return {
    duration: ms(fields.duration),
    idleTimeout: ms(fields.idle_timeout),
    anonymousIdle: ms(fields.anonymous_idle),
    autoCreate: fields.auto_create,
    session: fields.mode,
    paths: fields.paths?.map(({ prefix, mode, login_url }) => ({
      prefix,
      session: mode,
      loginUrl: login_url,
    })),
    loginUrl: fields.login_url,
    onDead: fields.on_dead,
    keepEnded: ms(fields.keep_ended),
    maxData: fields.max_data,
    maxPerUser: fields.max_per_user,
    share: fields.share,
    allowOrigins: fields.allow_origins,
    clearSiteData: fields.clear_site_data,
    limits: limits === false ? false : { creations: limits.creations, failedTokens: limits.failed_tokens },
  };
}
