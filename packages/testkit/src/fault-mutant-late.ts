import type { Backend, SessionId, SessionRecord } from '@sessionkit/session-core';
import { type Alteration, SIGNAL } from './backend-mutant-kit.js';
import { pause } from './fault-kit.js';

const BEHIND = 50;

/** A backend that answers a save at once and stores it a little later; what it has not stored yet it shows from memory. */
export class WriteBehind {
  readonly members: Alteration;
  readonly #waiting = new Map<SessionId, SessionRecord>();
  readonly #sound: Backend;

  constructor(sound: Backend) {
    this.#sound = sound;
    this.members = {
      load: async (ids, signal) =>
        (await sound.load(ids, signal)).map((found, at) => this.#waiting.get(ids[at] as SessionId) ?? found),
      save: async (record, signal) => {
        if (record.version === 1) return sound.save(record, signal);
        const [stored] = await sound.load([record.id], signal);
        const current = this.#waiting.get(record.id) ?? stored;
        if (current === undefined || current instanceof Error) return false;
        if (current.version !== record.version - 1) return false;
        this.#waiting.set(record.id, record);
        void this.#storeLater(record);
        return true;
      },
    };
  }

  async #storeLater(record: SessionRecord): Promise<void> {
    await pause(BEHIND);
    const last = this.#waiting.get(record.id);
    await this.#sound.save(record, SIGNAL).catch(() => false);
    if (last === record) this.#waiting.delete(record.id);
  }
}
