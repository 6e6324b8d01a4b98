import { isDeepStrictEqual } from 'node:util';
import type { CheckedConfig, CheckedService, ModuleUse } from './config.js';
import { sameUse } from './part.js';
import { formatPath } from './problem.js';

/** What is different from one configuration to the next. */
export interface Change {
  readonly what: 'added' | 'removed' | 'changed';
  /** Its place in the file, such as `services.shop`. */
  readonly path: string;
}

/** What is different, section by section: also where it changes nothing that runs. */
export function changesBetween(before: CheckedConfig, after: CheckedConfig): readonly Change[] {
  const named = (config: CheckedConfig) => new Map(config.listeners.map((one) => [one.name, one]));
  return [
    ...inMap('resources', before.resources, after.resources, sameUse),
    ...inMap('servers', before.servers, after.servers, isDeepStrictEqual),
    ...inMap('filters', before.filters, after.filters, sameUse),
    ...inMap('services', before.services, after.services, sameService),
    ...inMap('listeners', named(before), named(after), isDeepStrictEqual),
    ...inValue('trust_proxy', before.trustProxy, after.trustProxy),
    ...inValue('admin', before.admin, after.admin),
    ...inValue('drain_timeout', before.drainTimeout, after.drainTimeout),
    ...inValue('store_deadline', before.storeDeadline, after.storeDeadline),
  ];
}

function inMap<T>(
  section: string,
  before: ReadonlyMap<string, T>,
  after: ReadonlyMap<string, T>,
  same: (one: T, other: T) => boolean,
): Change[] {
  const changes: Change[] = [];
  for (const [name, value] of after) {
    const old = before.get(name);
    if (old !== undefined && same(old, value)) continue;
    changes.push({ what: old === undefined ? 'added' : 'changed', path: formatPath([section, name]) });
  }
  for (const name of before.keys())
    if (!after.has(name)) changes.push({ what: 'removed', path: formatPath([section, name]) });
  return changes;
}

function inValue(path: string, before: unknown, after: unknown): Change[] {
  if (isDeepStrictEqual(before, after)) return [];
  return [{ what: before === undefined ? 'added' : after === undefined ? 'removed' : 'changed', path }];
}

function sameService(one: CheckedService, other: CheckedService): boolean {
  if (!isDeepStrictEqual(one.filters, other.filters)) return false;
  if (!isDeepStrictEqual(one.queries, other.queries)) return false;
  if (!sameRouter(one.router, other.router)) return false;
  const { session: a } = one;
  const { session: b } = other;
  if (a === undefined || b === undefined) return a === b;
  return (
    isDeepStrictEqual(a.options, b.options) &&
    a.backend.key === b.backend.key &&
    a.carried.length === b.carried.length &&
    a.carried.every((use, i) => sameUse(use, b.carried[i] as ModuleUse))
  );
}

function sameRouter(one: CheckedService['router'], other: CheckedService['router']): boolean {
  if (one === undefined || other === undefined) return one === other;
  return sameUse(one, other) && isDeepStrictEqual(one.servers, other.servers);
}
