import type { Millis } from './environment.js';
import { SessionEnded } from './errors.js';
import type { SessionId } from './id.js';
import type { EndCause } from './lists.js';
import { causeOfDeath, type SessionRecord } from './record.js';

/** A hold on a session that wants to know when it is over. */
export class Link {
  readonly #controller = new AbortController();
  /** As its visit knows it; undefined while there is no stored session. */
  record: SessionRecord | undefined;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(cause: EndCause): void {
    this.#controller.abort(new SessionEnded(cause));
  }
}

/** The sessions that this process holds open, by id. */
export class Links {
  readonly #held = new Map<SessionId, Set<Link>>();

  get ids(): Iterable<SessionId> {
    return this.#held.keys();
  }

  has(id: SessionId): boolean {
    return this.#held.has(id);
  }

  /** The newest record that a holder of the session has seen. */
  record(id: SessionId): SessionRecord | undefined {
    let newest: SessionRecord | undefined;
    for (const link of this.#held.get(id) ?? []) {
      const { record } = link;
      if (record !== undefined && (newest === undefined || record.version > newest.version)) newest = record;
    }
    return newest;
  }

  /** From now on the link holds the session of `record`, and no other. */
  attach(link: Link, record: SessionRecord): void {
    if (link.record?.id !== record.id) this.remove(link);
    link.record = record;
    const links = this.#held.get(record.id);
    if (links === undefined) this.#held.set(record.id, new Set([link]));
    else links.add(link);
  }

  remove(link: Link): void {
    if (link.record === undefined) return;
    const { id } = link.record;
    const links = this.#held.get(id);
    if (links === undefined) return;
    links.delete(link);
    if (links.size === 0) this.#held.delete(id);
  }

  /** The session is over: everybody who holds it is told. */
  ended(id: SessionId, cause: EndCause): void {
    const links = this.#held.get(id);
    if (links === undefined) return;
    this.#held.delete(id);
    for (const link of links) link.abort(cause);
  }

  /**
   * What the store says now of a held session: tells its holders when it is over, and those of an older epoch that another login replaced them.
   * Answers the cause if it is over but not yet ended in the store.
   */
  confirm(id: SessionId, record: SessionRecord | undefined, now: Millis): EndCause | undefined {
    if (record === undefined) {
      this.ended(id, this.#guess(id, now));
      return undefined;
    }
    const cause = causeOfDeath(record, now);
    if (cause !== undefined) {
      this.ended(id, cause);
      return record.ended === undefined ? cause : undefined;
    }
    for (const link of this.#held.get(id) ?? []) {
      const known = link.record;
      if (known === undefined || known.epoch < record.epoch) {
        this.remove(link);
        link.abort('replaced');
      } else if (isNewer(record, known)) {
        link.record = record;
      }
    }
    return undefined;
  }

  #guess(id: SessionId, now: Millis): EndCause {
    const record = this.record(id);
    return (record && causeOfDeath(record, now)) ?? 'killed';
  }
}

/** A use moves no version. */
function isNewer(record: SessionRecord, known: SessionRecord): boolean {
  if (record.version === known.version) return record.seenAt > known.seenAt;
  return record.version > known.version;
}
