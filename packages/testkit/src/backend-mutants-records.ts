import { SessionError, type SessionId, type SessionRecord } from '@sessionkit/session-core';
import { type BackendMutant, type Full, shownAs, simple } from './backend-mutant-kit.js';

/** Shows each record otherwise than it was saved: what an encoding loses. */
const losing = (name: string, show: (record: SessionRecord) => SessionRecord): BackendMutant =>
  simple(name, (sound) => ({ load: shownAs(sound, show) }));

const loading = (name: string, load: (sound: Full) => Full['load']): BackendMutant =>
  simple(name, (sound) => ({ load: load(sound) }));

const sloppy = (id: SessionId) => id.trim().toLowerCase() as SessionId;

function nullsFor(record: SessionRecord): SessionRecord {
  const members = Object.entries(record).map(([name, value]) => [name, value === undefined ? null : value]);
  return Object.fromEntries(members) as unknown as SessionRecord;
}

/** Copies members as naive code does, for which `__proto__` is not a member. */
function assigned(members: SessionRecord['extra']): SessionRecord['extra'] {
  const copy: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(members ?? {})) copy[name] = value;
  return members && (copy as SessionRecord['extra']);
}

export const recordMutants: readonly BackendMutant[] = [
  losing('members that are undefined come back as null', nullsFor),
  losing('unknown members are dropped', (record) => ({ ...record, extra: undefined })),
  losing('unknown members are assigned one by one', (record) => ({
    ...record,
    extra: assigned(record.extra),
  })),
  losing('the format is always this one', (record) => ({ ...record, format: 1 })),
  losing('data is parsed and written anew', (record) => ({
    ...record,
    data: JSON.stringify(JSON.parse(record.data)),
  })),
  losing('data is cut at 64 kB', (record) => ({ ...record, data: record.data.slice(0, 65_535) })),
  losing('characters of four bytes become question marks', (record) => ({
    ...record,
    data: record.data.replace(/[\u{10000}-\u{10ffff}]/gu, '?'),
  })),
  losing('texts are normalised', (record) => ({
    ...record,
    user: record.user?.normalize('NFC'),
    data: record.data.normalize('NFC'),
  })),
  losing('names lose their trailing spaces', (record) => ({
    ...record,
    user: record.user?.trimEnd(),
    service: record.service.trimEnd(),
  })),
  losing('names are cut at 64 characters', (record) => ({
    ...record,
    user: record.user?.slice(0, 64),
    service: record.service.slice(0, 64),
  })),
  losing('an empty list of filters is none', (record) => ({
    ...record,
    filters: record.filters?.length === 0 ? undefined : record.filters,
  })),
  losing('filters are a set', (record) => ({
    ...record,
    filters: record.filters && [...new Set(record.filters)],
  })),
  losing('what is known of the client is its address alone', ({ client, ...record }) => ({
    ...record,
    client: { ip: client.ip, port: 0, cipher: '', userAgent: '', attributes: {} },
  })),
  losing('times are kept in seconds', (record) => ({
    ...record,
    secretAt: Math.floor(record.secretAt / 1_000) * 1_000,
  })),
  losing('parameters that are off are lost', (record) => ({
    ...record,
    parameters: Object.fromEntries(Object.entries(record.parameters).filter(([, on]) => on)),
  })),
  loading(
    'load answers in order of the ids',
    (sound) => (ids, signal) => sound.load([...ids].sort(), signal),
  ),
  loading(
    'load answers only what is there',
    (sound) => async (ids, signal) => (await sound.load(ids, signal)).filter((found) => found !== undefined),
  ),
  loading('load answers each id once', (sound) => (ids, signal) => sound.load([...new Set(ids)], signal)),
  loading('load answers 100 ids at most', (sound) => (ids, signal) => sound.load(ids.slice(0, 100), signal)),
  loading('load of nothing is a fault', (sound) => async (ids, signal) => {
    if (ids.length === 0) throw new SessionError('BACKEND_FAILED', 'wrong number of arguments');
    return sound.load(ids, signal);
  }),
  loading('ids are compared loosely', (sound) => (ids, signal) => sound.load(ids.map(sloppy), signal)),
  simple('an end compares ids loosely', (sound) => ({
    end: (ids, how, signal) => sound.end(ids.map(sloppy), how, signal),
  })),
  loading('a corrupt record fails the whole load', (sound) => async (ids, signal) => {
    const found = await sound.load(ids, signal);
    for (const each of found) if (each instanceof Error) throw each;
    return found;
  }),
  loading(
    'a corrupt record counts as absent',
    (sound) => async (ids, signal) =>
      (await sound.load(ids, signal)).map((found) => (found instanceof Error ? undefined : found)),
  ),
  {
    name: 'records are kept elsewhere than they are said to be',
    breaks: (opened) => ({ ...opened, peek: async () => undefined }),
  },
];
