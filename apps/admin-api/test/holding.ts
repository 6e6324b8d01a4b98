import type { ConnectionInfo, Holding, HoldingSource, SessionId } from '@sessionkit/session-core';

const STATISTICS: ConnectionInfo['statistics'] = {
  reads: 5,
  readBytes: 1_205,
  writes: 2,
  writtenBytes: 310,
  bufferedWrites: 3,
  highWaterEvents: 3,
  lowWaterEvents: 2,
};

/** What a router would hold of some sessions, or of each that it is asked for. */
export function holds(holding: Holding, ...ids: readonly SessionId[]): HoldingSource {
  return {
    sessions: () => ids,
    holding: (id) => (ids.length === 0 || ids.includes(id) ? holding : undefined),
  };
}

export const connection = (
  server: string,
  connectionId: number,
  cipher = '',
  statistics = STATISTICS,
): ConnectionInfo => ({ server, connectionId, cipher, statistics });
