import {
  JOURNAL_MAX_BYTES,
  JOURNAL_MAX_ENTRIES,
  type JournalEntry,
  type Link,
  type Millis,
  type SessionId,
  type SessionRecord,
} from '@sessionkit/session-core';
import { type BackendMutant, currentOf, mutant, SIGNAL, simple } from './backend-mutant-kit.js';
import { testEnvironment } from './environment.js';
import { makeRecord } from './records.js';

const reading = (
  name: string,
  show: (entries: readonly JournalEntry[]) => readonly JournalEntry[],
): BackendMutant =>
  simple(name, (sound) => ({
    read: async (ids, signal) => (await sound.read(ids, signal)).map(show),
  }));

interface Rules {
  /** Whether the journal takes an entry for what is stored under its id. */
  readonly wants: (record: SessionRecord | undefined) => boolean;
  readonly keep: (entries: JournalEntry[], entry: JournalEntry) => void;
  readonly knows: (batches: ReadonlySet<string>, batchId: string) => boolean;
}

/** A journal of its own that keeps the contract but for the rules that are given. */
const keeping = (name: string, broken: Partial<Rules>): BackendMutant =>
  mutant(
    name,
    () => ({ journals: new Map<SessionId, JournalEntry[]>(), batches: new Set<string>() }),
    (sound, { journals, batches }) => {
      const { wants, keep, knows } = { ...soundRules, ...broken };
      return {
        async append({ batchId, entries }, signal) {
          await sound.now(signal);
          if (knows(batches, batchId)) return;
          batches.add(batchId);
          for (const entry of entries) {
            if (!wants(await currentOf(sound, entry.id))) continue;
            const journal = journals.get(entry.id) ?? [];
            journals.set(entry.id, journal);
            keep(journal, entry);
          }
        },
        async read(ids, signal) {
          await sound.now(signal);
          return ids.map((id) => journals.get(id) ?? []);
        },
      };
    },
  );

const soundRules: Rules = {
  wants: (record) => record !== undefined && record.ended === undefined,
  keep: bounded(({ text }) => Buffer.byteLength(text)),
  knows: (batches, batchId) => batches.has(batchId),
};

function keepSorted(entries: JournalEntry[], entry: JournalEntry): void {
  entries.push(entry);
  entries.sort((a, b) => a.at - b.at);
}

function bounded(size: (entry: JournalEntry) => number): Rules['keep'] {
  return (entries, entry) => {
    keepSorted(entries, entry);
    const total = () => entries.reduce((sum, each) => sum + size(each), 0);
    while (entries.length > JOURNAL_MAX_ENTRIES || total() > JOURNAL_MAX_BYTES) entries.shift();
  };
}

export const journalMutants: readonly BackendMutant[] = [
  reading('the newest entry comes first', (entries) => entries.toReversed()),
  reading('entries are lists of texts', (entries) => entries.map((entry) => ({ ...entry, kind: 'log' }))),
  reading('entries of one time are sorted by their texts', (entries) =>
    entries.toSorted((a, b) => a.at - b.at || (a.text < b.text ? -1 : 1)),
  ),
  keeping('entries stay in the order in which they came', {
    keep(entries, entry) {
      entries.push(entry);
      if (entries.length > JOURNAL_MAX_ENTRIES || entries.length * entry.text.length > JOURNAL_MAX_BYTES / 3)
        entries.shift();
    },
  }),
  keeping('batches that arrive twice are kept twice', { knows: () => false }),
  keeping('a journal has no bounds', { keep: keepSorted }),
  keeping('the first entries are kept, not the last', {
    keep(entries, entry) {
      if (entries.length < JOURNAL_MAX_ENTRIES) keepSorted(entries, entry);
    },
  }),
  keeping('the bytes of a journal are counted in characters', { keep: bounded(({ text }) => text.length) }),
  keeping('entries of ended sessions are kept', { wants: (record) => record !== undefined }),
  keeping('entries of absent sessions are kept', { wants: (record) => record?.ended === undefined }),
  simple('one entry that is not wanted drops the batch', (sound) => ({
    async append(batch, signal) {
      for (const { id } of batch.entries) {
        const record = await currentOf(sound, id);
        if (record === undefined || record.ended !== undefined) return;
      }
      await sound.append(batch, signal);
    },
  })),
  simple('an entry creates its session', (sound) => ({
    async append(batch, signal) {
      for (const { id } of batch.entries) await sound.save(makeRecord(environment, { id }), signal);
      await sound.append(batch, signal);
    },
  })),
  simple('an entry is a use', (sound) => ({
    async append(batch, signal) {
      const uses = batch.entries.map(({ id, at }) => ({ id, epoch: 0, seenAt: at }));
      await sound.touch(uses, signal);
      await sound.append(batch, signal);
    },
  })),
  simple('journals are read in order of the ids', (sound) => ({
    read: (ids, signal) => sound.read([...ids].sort(), signal),
  })),
  simple('empty journals are left out', (sound) => ({
    read: async (ids, signal) => (await sound.read(ids, signal)).filter(({ length }) => length > 0),
  })),
];

const environment = testEnvironment();

const announcing = (
  name: string,
  change: (links: readonly Link[], ttl: Millis) => readonly [readonly Link[], Millis],
): BackendMutant =>
  simple(name, (sound) => ({
    announce: (process, links, ttl, signal) => sound.announce(process, ...change(links, ttl), signal),
  }));

const oncePer = <T>(links: readonly Link[], key: (link: Link) => T) => [
  ...new Map(links.map((link) => [key(link), link])).values(),
];

export const presenceMutants: readonly BackendMutant[] = [
  announcing('what a process tells of a link is lost', (links, ttl) => [
    links.map((link) => ({ ...link, detail: {} })),
    ttl,
  ]),
  announcing('a process has one link to a session', (links, ttl) => [oncePer(links, ({ id }) => id), ttl]),
  announcing('leases are in seconds', (links, ttl) => [links, ttl * 1_000]),
  announcing('leases are a tenth of what was asked', (links, ttl) => [links, ttl / 10]),
  simple('a session has one link', (sound) => ({
    present: async (ids, signal) => oncePer(await sound.present(ids, signal), ({ id }) => id),
  })),
  mutant(
    'all links are answered, whatever was asked',
    () => new Set<SessionId>(),
    (sound, all) => ({
      announce(process, links, ttl, signal) {
        for (const { id } of links) all.add(id);
        return sound.announce(process, links, ttl, signal);
      },
      present: (_, signal) => sound.present([...all], signal),
    }),
  ),
  mutant(
    'an announcement adds to the links of its process',
    () => new Map<string, readonly Link[]>(),
    (sound, known) => ({
      announce(process, links, ttl, signal) {
        const all = [...(known.get(process) ?? []), ...links];
        known.set(process, all);
        return sound.announce(process, all, ttl, signal);
      },
    }),
  ),
  mutant(
    'an announcement replaces the links of all processes',
    () => new Set<string>(),
    (sound, processes) => ({
      async announce(process, links, ttl, signal) {
        for (const other of processes) await sound.announce(other, [], ttl, SIGNAL);
        processes.add(process);
        await sound.announce(process, links, ttl, signal);
      },
    }),
  ),
  simple('an announcement of nothing is not sent', (sound) => ({
    async announce(process, links, ttl, signal) {
      if (links.length > 0) await sound.announce(process, links, ttl, signal);
    },
  })),
  mutant(
    'a lease is not renewed',
    () => new Map<string, Millis>(),
    (sound, leases) => ({
      announce(process, links, ttl, signal) {
        const first = leases.get(process) ?? ttl;
        leases.set(process, first);
        return sound.announce(process, links, first, signal);
      },
    }),
  ),
];
