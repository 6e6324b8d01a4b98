import type { Backend, SessionId, SessionRecord } from '@sessionkit/session-core';

/** What a naive store does with a save: `strict` keeps the contract, the others are the classical mistakes. */
export type Sloppiness = 'strict' | 'upsert' | 'last-write-wins';

/** The smallest store that can make the classical mistakes. For showing that a test sees them. */
export function sloppyBackend(kind: Sloppiness, now: () => number): Backend {
  const records = new Map<SessionId, SessionRecord>();
  const accepts = (record: SessionRecord): boolean => {
    const stored = records.get(record.id);
    if (kind === 'upsert') return true;
    if (stored === undefined) return record.version === 1;
    if (stored.ended !== undefined) return false;
    return kind === 'last-write-wins' || record.version === stored.version + 1;
  };
  return {
    type: kind,
    traits: {
      durable: false,
      shared: false,
      approximate: false,
      maxRecordBytes: undefined,
      staleness: 0,
      lateWrites: false,
    },
    load: (ids) => Promise.resolve(ids.map((id) => records.get(id))),
    save: (record) => {
      const writes = records.get(record.id)?.writes ?? [];
      if (writes.includes(record.writes.at(-1) ?? '')) return Promise.resolve(true);
      const accepted = accepts(record);
      if (accepted) records.set(record.id, record);
      return Promise.resolve(accepted);
    },
    touch: (batch) => {
      for (const { id, seenAt } of batch) {
        const record = records.get(id);
        if (record !== undefined && record.seenAt < seenAt) records.set(id, { ...record, seenAt });
      }
      return Promise.resolve(batch.filter(({ id }) => !records.has(id)).map(({ id }) => id));
    },
    end: (ids, { at, cause, by }) => {
      const ended = ids.filter((id) => records.get(id)?.ended === undefined && records.has(id));
      for (const id of ended) {
        const record = records.get(id);
        if (record !== undefined) records.set(id, { ...record, data: '{}', ended: { at, cause, by } });
      }
      return Promise.resolve(ended);
    },
    now: () => Promise.resolve(now()),
    close: () => Promise.resolve(),
  };
}
