import {
  isSessionId,
  type Query,
  SessionError,
  type SessionId,
  type SessionRecord,
} from '@sessionkit/session-core';
import { type Alteration, altered, type Full, SIGNAL } from './backend-mutant-kit.js';
import type { OpenHostile } from './hostile-kit.js';
import { damageMutants } from './hostile-mutants-damage.js';
import { NAMES } from './hostile-values.js';

/** A backend that is broken on purpose by one careless treatment of values. */
export interface HostileMutant {
  readonly name: string;
  breaks(sound: OpenHostile): OpenHostile;
}

function careless(name: string, how: (sound: Full) => Alteration): HostileMutant {
  return {
    name,
    breaks(opened) {
      const alter = (sound: OpenHostile['a']) => altered(sound, how(sound as Full));
      return { ...opened, a: alter(opened.a), b: alter(opened.b) };
    },
  };
}

/** Lists and counts whom `like` takes for the one that is asked for. */
const asking = (name: string, like: (asked: string) => (is: string) => boolean): HostileMutant =>
  careless(name, (sound) => {
    const matching = async ({ service, user, ...query }: Query) => {
      const { items } = await sound.list({ ...query, limit: 10_000 }, SIGNAL);
      return items.filter(
        (head) =>
          (service === undefined || like(service)(head.service)) &&
          (user === undefined || (head.user !== undefined && like(user)(head.user))),
      );
    };
    return {
      list: async ({ after = '', limit, ...query }) => {
        const found = (await matching(query)).filter(({ id }) => id > after);
        const items = found.slice(0, limit);
        return { items, next: found.length > limit ? items.at(-1)?.id : undefined };
      },
      count: async (query) => (await matching(query)).length,
    };
  });

const folding = (name: string, fold: (text: string) => string): HostileMutant =>
  asking(name, (asked) => (is) => fold(is) === fold(asked));

/** Saves something a little different. */
const saving = (name: string, change: (record: SessionRecord) => SessionRecord): HostileMutant =>
  careless(name, (sound) => ({ save: (record, signal) => sound.save(change(record), signal) }));

const named = (name: string, change: (text: string) => string): HostileMutant =>
  saving(name, (record) => ({
    ...record,
    user: record.user === undefined ? undefined : change(record.user),
    service: change(record.service),
  }));

const claiming = (name: string, change: (service: string, user: string) => [string, string]): HostileMutant =>
  careless(name, (sound) => ({
    claim(claim, signal) {
      const [service, user] = change(claim.service, claim.user);
      return sound.claim({ ...claim, service, user }, signal);
    },
  }));

const invalid = (message: string) => new SessionError('INVALID_VALUE', message);
const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const shown = (text: string) => text.replace(/\p{Surrogate}/gu, '\ufffd');

/** Refuses a whole batch for one id that is none. */
function allOrNone(ids: readonly SessionId[]): void {
  if (!ids.every(isSessionId)) throw invalid('one of these is no id of a session');
}

const valueMutants: readonly HostileMutant[] = [
  folding('names are compared without case', (text) => text.toLowerCase()),
  folding('names are compared without the blanks around them', (text) => text.trim()),
  folding('names are compared in composed form', (text) => text.normalize('NFC')),
  folding('names are compared as numbers where they are some', (text) =>
    Number.isNaN(Number(text)) ? text : `${Number(text)}`,
  ),
  asking('names are compared by LIKE', (asked) => {
    const pattern = new RegExp(`^${escaped(asked).replaceAll('%', '.*').replaceAll('_', '.')}$`, 'su');
    return (is) => pattern.test(is);
  }),
  asking('names are compared as globs', (asked) => {
    const pattern = new RegExp(`^${escaped(asked).replaceAll('\\*', '.*').replaceAll('\\?', '.')}$`, 'su');
    return (is) => pattern.test(is);
  }),
  named('names are trimmed', (text) => text.trim()),
  named('names are normalised', (text) => text.normalize('NFC')),
  named('names are cut at 255 characters', (text) => text.slice(0, 255)),
  named('names end at NUL', (text) => text.split('\0')[0] ?? ''),
  named('half a surrogate pair becomes a replacement character', shown),
  careless('names with a quote are refused', (sound) => ({
    async save(record, signal) {
      if (`${record.user} ${record.service}`.includes("'"))
        throw invalid('user or service has a quote in it');
      return sound.save(record, signal);
    },
  })),
  careless('what cannot be kept is a fault of the store', (sound) => ({
    async save(record, signal) {
      if (`${record.user} ${record.service}`.includes('\0'))
        throw new SessionError('BACKEND_FAILED', 'the store has refused this', { retryable: true });
      return sound.save(record, signal);
    },
  })),
  careless('a refusal quotes what it refuses', (sound) => ({
    async save(record, signal) {
      if (record.data.includes('table') && !record.data.startsWith('{'))
        throw invalid(`this is no JSON: ${record.data}`);
      return sound.save(record, signal);
    },
  })),
  claiming('places are kept by names in small letters', (service, user) => [service, user.toLowerCase()]),
  claiming('places are kept by names put together', (service, user) => ['shop', `${service}:${user}`]),
  claiming('places are kept by names with replacement characters', (service, user) => [
    shown(service),
    shown(user),
  ]),
  saving('data is parsed and written anew', (record) => ({ ...record, data: rewritten(record.data) })),
  saving('data of 0 bytes becomes an empty object', (record) => ({ ...record, data: record.data || '{}' })),
  saving('data is cut at 64 kB', (record) => ({ ...record, data: record.data.slice(0, 65_536) })),
  careless('data that is no JSON is refused when it is too late', (sound) => ({
    async save(record, signal) {
      const answer = await sound.save(record, signal);
      if (record.data === '') throw invalid('the data of the session is no JSON');
      return answer;
    },
  })),
  saving('what is known of a client loses half surrogate pairs', (record) => ({
    ...record,
    client: { ...record.client, userAgent: shown(record.client.userAgent), ip: shown(record.client.ip) },
  })),
  careless('who ended a session is kept in small letters', (sound) => ({
    end: (ids, how, signal) => sound.end(ids, { ...how, by: how.by?.toLowerCase() }, signal),
  })),
  careless('a load is refused for one id that is none', (sound) => ({
    async load(ids, signal) {
      allOrNone(ids);
      return sound.load(ids, signal);
    },
  })),
  careless('ids are shortened to those of a session', (sound) => ({
    load: (ids, signal) =>
      sound.load(
        ids.map((id) => id.trim().slice(0, 27) as SessionId),
        signal,
      ),
  })),
  careless('a new session may have an id with a blank, and is stored under the rest', (sound) => ({
    save: (record, signal) =>
      sound.save({ ...record, id: record.id.replaceAll(' ', '') as SessionId }, signal),
  })),
  careless('a batch of a journal is refused for one id that is none', (sound) => ({
    async append(batch, signal) {
      allOrNone(batch.entries.map(({ id }) => id));
      return sound.append(batch, signal);
    },
  })),
  careless('entries of a journal lose control characters', (sound) => ({
    append: ({ batchId, entries }, signal) =>
      sound.append(
        {
          batchId,
          entries: entries.map((entry) => ({ ...entry, text: entry.text.replace(/\p{Cc}/gu, '') })),
        },
        signal,
      ),
  })),
  careless('processes are named in small letters', (sound) => ({
    announce: (process, links, ttl, signal) => sound.announce(process.toLowerCase(), links, ttl, signal),
  })),
  careless('a sweep leaves those with an odd name', (sound) => ({
    async sweep(before, limit, signal) {
      const { items } = await sound.list({ limit: 10_000 }, signal);
      const odd = items.some(({ user }) => user === NAMES.at(-1));
      return odd ? [] : sound.sweep(before, limit, signal);
    },
  })),
];

export const hostileMutants: readonly HostileMutant[] = [...valueMutants, ...damageMutants];

function rewritten(data: string): string {
  try {
    return JSON.stringify(JSON.parse(data));
  } catch {
    return data;
  }
}
