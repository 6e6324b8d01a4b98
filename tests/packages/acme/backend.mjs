// A backend as somebody elsewhere writes it: it knows session-core and nothing else of SessionKit. All work on a file is done in one go, so that no two saves come between each other.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deadFrom, isSessionId, SessionError } from '@sessionkit/session-core';

/** Members that JSON leaves out where they are undefined. */
const OPTIONAL = ['user', 'prior', 'authenticatedAt', 'killAt', 'ended', 'filters', 'restartedAt', 'extra'];
const UNSET = Object.fromEntries(OPTIONAL.map((name) => [name, undefined]));

/** The store: a folder. This is what the resource is. */
export class Folder {
  constructor(path) {
    this.path = path;
    mkdirSync(path, { recursive: true, mode: 0o700 });
  }

  /** What is stored under an id, as text; undefined when nothing is. */
  read(id) {
    try {
      return isSessionId(id) ? readFileSync(this.#file(id), 'utf8') : undefined;
    } catch (error) {
      if (error.code === 'ENOENT') return undefined;
      throw new SessionError('BACKEND_FAILED', 'a session could not be read', {
        retryable: true,
        cause: error,
      });
    }
  }

  /** Whole or not at all: a new file takes the place of the old one. */
  write(id, text) {
    if (!isSessionId(id)) throw new SessionError('INVALID_VALUE', 'the id has not the form of a session id');
    try {
      writeFileSync(`${this.#file(id)}.new`, text, { mode: 0o600 });
      renameSync(`${this.#file(id)}.new`, this.#file(id));
    } catch (error) {
      throw new SessionError('BACKEND_FAILED', 'a session could not be written', {
        retryable: true,
        cause: error,
      });
    }
  }

  remove(id) {
    rmSync(this.#file(id), { force: true });
  }

  ids() {
    return readdirSync(this.path)
      .filter((name) => name.endsWith('.json'))
      .map((name) => name.slice(0, -5));
  }

  #file(id) {
    return join(this.path, `${id}.json`);
  }
}

/** What is stored beside the record: until when an ended one is kept. */
const textOf = (record, keepUntil = 0) => JSON.stringify({ keepUntil, record });

export class FolderBackend {
  type = 'acme-folder';
  traits = {
    durable: true,
    shared: false,
    approximate: false,
    maxRecordBytes: undefined,
    staleness: 0,
    lateWrites: false,
  };
  #folder;
  #now;
  #closed = false;

  constructor(folder, now = Date.now) {
    this.#folder = folder;
    this.#now = now;
  }

  async load(ids, signal) {
    this.#check(signal);
    return ids.map((id) => {
      const stored = this.#stored(id);
      return stored instanceof SessionError ? stored : stored?.record;
    });
  }

  async save(record, signal) {
    this.#check(signal);
    if (record.ended !== undefined) throw new SessionError('INVALID_VALUE', 'a session is ended by end()');
    const stored = this.#sound(record.id);
    if (stored === undefined) {
      if (record.version !== 1) return false;
      this.#folder.write(record.id, textOf(record));
      return true;
    }
    const before = stored.record;
    if (before.writes.includes(record.writes.at(-1))) return true;
    if (before.ended !== undefined || record.version !== before.version + 1) return false;
    const seenAt = Math.max(record.seenAt, before.seenAt);
    const kills = [record.killAt, before.killAt].filter((time) => time !== undefined);
    const killAt = kills.length === 0 ? undefined : Math.min(...kills);
    this.#folder.write(record.id, textOf({ ...record, seenAt, killAt }));
    return true;
  }

  async touch(batch, signal) {
    this.#check(signal);
    const missed = [];
    for (const { id, epoch, seenAt } of batch) {
      const stored = this.#stored(id);
      if (stored instanceof SessionError) continue;
      const record = stored?.record;
      if (record === undefined || record.ended !== undefined || record.epoch !== epoch) missed.push(id);
      else if (seenAt > record.seenAt) this.#folder.write(id, textOf({ ...record, seenAt }));
    }
    return missed;
  }

  async end(ids, { at, cause, by, keepUntil }, signal) {
    this.#check(signal);
    const ended = [];
    for (const id of ids) {
      const stored = this.#stored(id);
      if (stored === undefined || stored instanceof SessionError || stored.record.ended !== undefined)
        continue;
      this.#folder.write(id, textOf({ ...stored.record, ended: { at, cause, by }, data: '{}' }, keepUntil));
      ended.push(id);
    }
    return ended;
  }

  async sweep(deadBefore, limit, signal) {
    this.#check(signal);
    const swept = [];
    for (const id of this.#folder.ids()) {
      if (swept.length === limit) break;
      const stored = this.#stored(id);
      if (stored === undefined || stored instanceof SessionError) continue;
      const due = stored.record.ended === undefined ? deadFrom(stored.record) : stored.keepUntil;
      if (due >= deadBefore) continue;
      this.#folder.remove(id);
      swept.push(id);
    }
    return swept;
  }

  async now(signal) {
    this.#check(signal);
    return this.#now();
  }

  async close() {
    this.#closed = true;
  }

  /** What is stored; a SessionError where it makes no sense. */
  #stored(id) {
    const text = this.#folder.read(id);
    if (text === undefined) return undefined;
    try {
      const { keepUntil, record } = JSON.parse(text);
      if (record.id !== id || !Number.isInteger(record.version)) throw new Error('it is of another session');
      const ended = record.ended && { by: undefined, ...record.ended };
      const prior = record.prior && { until: undefined, ...record.prior };
      return { keepUntil, record: { ...UNSET, ...record, ended, prior } };
    } catch (cause) {
      return new SessionError('RECORD_CORRUPT', `what is stored of ${id} cannot be understood`, { cause });
    }
  }

  #sound(id) {
    const stored = this.#stored(id);
    if (stored instanceof SessionError) throw stored;
    return stored;
  }

  #check(signal) {
    if (this.#closed) throw new SessionError('BACKEND_CLOSED', 'this backend has been closed');
    if (signal?.aborted) throw new SessionError('BACKEND_FAILED', 'the caller gave up', { retryable: true });
  }
}
