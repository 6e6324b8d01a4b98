import {
  createId,
  createSecret,
  type Environment,
  hashSecret,
  type Millis,
  RECORD_FORMAT,
  type SessionRecord,
  WRITES_KEPT,
} from '@sessionkit/session-core';

const IDLE: Millis = 900_000;
const DURATION: Millis = 3_600_000;

/** A valid record of a session that began at `environment.now()`, with a new id; what `members` says goes over it. */
export function makeRecord(environment: Environment, members: Partial<SessionRecord> = {}): SessionRecord {
  const now = members.startedAt ?? environment.now();
  return {
    format: RECORD_FORMAT,
    id: createId(environment, now),
    version: 1,
    writes: [makeWriteId(environment)],
    service: 'shop',
    user: undefined,
    epoch: 0,
    secretHash: hashSecret(createSecret(environment)),
    secretAt: now,
    prior: undefined,
    startedAt: now,
    authenticatedAt: undefined,
    seenAt: now,
    idle: IDLE,
    endsAt: now + DURATION,
    killAt: undefined,
    ended: undefined,
    client: { ip: '192.0.2.7', port: 50_123, cipher: '', userAgent: 'testkit', attributes: {} },
    parameters: {},
    filters: undefined,
    restartedAt: undefined,
    dataVersion: 0,
    data: '{}',
    extra: undefined,
    ...members,
  };
}

/** The next version of `record` as core would save it: a new write id, the last 16 kept. */
export function nextRecord(
  environment: Environment,
  record: SessionRecord,
  members: Partial<SessionRecord> = {},
): SessionRecord {
  return {
    ...record,
    version: record.version + 1,
    writes: [...record.writes, makeWriteId(environment)].slice(-WRITES_KEPT),
    ...members,
  };
}

/** The id of one save: 96 random bits in base64url. */
export function makeWriteId(environment: Environment): string {
  return Buffer.from(environment.random(12)).toString('base64url');
}
