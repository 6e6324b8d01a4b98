import type { Backend, SessionId, SessionRecord, Transport } from '@sessionkit/session-core';

/** Where the cases of filters have their sessions: as little of a store as core can work with. */
export function filterBackend(): Backend {
  const records = new Map<SessionId, SessionRecord>();
  return {
    type: 'filter-cases',
    traits: {
      durable: false,
      shared: false,
      approximate: false,
      maxRecordBytes: undefined,
      staleness: 0,
      lateWrites: false,
    },
    load: async (ids) => ids.map((id) => records.get(id)),
    async save(record) {
      const present = records.get(record.id);
      if ((present?.version ?? 0) !== record.version - 1 || present?.ended !== undefined) return false;
      records.set(record.id, record);
      return true;
    },
    touch: async () => [],
    async end(ids, { at, cause, by }) {
      const ended: SessionId[] = [];
      for (const id of ids) {
        const record = records.get(id);
        if (record === undefined || record.ended !== undefined) continue;
        records.set(id, { ...record, ended: { at, cause, by } });
        ended.push(id);
      }
      return ended;
    },
    now: async () => undefined,
    close: async () => {},
  };
}

export const TOKEN_HEADER = 'x-filter-token';

export const filterTransport: Transport = {
  type: 'filter-cases',
  ambient: false,
  lenient: false,
  carrier: { requestHeader: TOKEN_HEADER, responseHeader: TOKEN_HEADER },
  vary: undefined,
  read: (request) => [request.header(TOKEN_HEADER) ?? []].flat(),
  issue: (token) => [[TOKEN_HEADER, token]],
  clear: () => [],
  challenge: () => [],
};
