import {
  type Change,
  type Environment,
  type Millis,
  onEvent,
  type SessionEventName,
  type SessionEvents,
  type SessionId,
  type SessionManager,
  type SessionOwner,
} from '@sessionkit/session-core';
import type { SessionEvent } from './schemas-events.js';

/** An event with its number, which grows. */
export interface Numbered {
  readonly number: number;
  readonly event: SessionEvent;
}

/** Whoever is told of events. */
export interface FeedReader {
  tell(event: Numbered): void;
  /** The feed is over. */
  end(): void;
}

/** A notice waits for so long, and for twice as long at most: what this process did itself it is told of sooner. */
const SETTLED: Millis = 250;
/** How long it is known what this process did itself. */
const REMEMBERED: Millis = 10_000;
/** Notices that wait; of more nobody is told. */
const MOST_WAITING = 10_000;

type Told = SessionEvent extends infer Each ? (Each extends SessionEvent ? Omit<Each, 'at'> : never) : never;

/**
 * What happens to the sessions of a manager: what this process does, as it is published, and what others do, as far as stores give notice of it. It listens while
 * there is a reader, and else costs nothing.
 */
export class Feed {
  readonly #manager: SessionManager;
  readonly #environment: Environment;
  readonly #readers = new Set<FeedReader>();
  readonly #stops: (() => void)[] = [];
  /** What this process did itself, and when. */
  readonly #own = new Map<string, Millis>();
  #fresh: Change[] = [];
  #settling: Change[] = [];
  #lost = 0;
  #number = 0;

  constructor(manager: SessionManager, environment: Environment) {
    this.#manager = manager;
    this.#environment = environment;
  }

  /** Answers how to leave. */
  join(reader: FeedReader): () => void {
    this.#readers.add(reader);
    if (this.#readers.size === 1) this.#listen();
    return () => this.#leave(reader);
  }

  /** Sends all readers away that are there. */
  end(): void {
    for (const reader of [...this.#readers]) {
      this.#leave(reader);
      reader.end();
    }
  }

  #leave(reader: FeedReader): void {
    if (!this.#readers.delete(reader) || this.#readers.size > 0) return;
    for (const stop of this.#stops.splice(0)) stop();
    this.#own.clear();
    this.#fresh = [];
    this.#settling = [];
  }

  #listen(): void {
    const on = <Name extends SessionEventName>(name: Name, tell: (payload: SessionEvents[Name]) => void) =>
      this.#stops.push(onEvent(name, tell));
    const ours = { elsewhere: false };
    on('sessionkit:session.created', (of) => this.#ours({ event: 'created', ...of, ...ours }));
    on('sessionkit:session.changed', (of) => {
      this.#did(`${of.id} ${of.version}`);
      this.#ours({ event: 'changed', ...of, ...ours });
    });
    on('sessionkit:session.login', (of) => this.#ours({ event: 'login', ...of, ...ours }));
    on('sessionkit:session.rotated', (of) => this.#ours({ event: 'rotated', ...of, ...ours }));
    on('sessionkit:session.altered', (of) => this.#ours({ event: 'altered', ...of, ...ours }));
    on('sessionkit:sessions.restarted', (of) => this.#ours({ event: 'restarted', ...of, ...ours }));
    on('sessionkit:session.ended', ({ id, cause, by }) => {
      this.#did(id);
      void this.#ownerOf(id, (owner) => ({ event: 'ended', id, ...owner, cause, by, ...ours }));
    });
    on('sessionkit:visit.refused', ({ service, code }) => {
      if (this.#manager.services.has(service)) this.#tell({ event: 'refused', service, code, ...ours });
    });
    this.#stops.push(
      this.#manager.watch((change) => this.#notice(change)),
      this.#environment.every(SETTLED, () => this.#settle()),
    );
  }

  /** Channels are those of the whole process, and may tell of sessions of another manager. */
  #ours(told: Told & { readonly service?: string | undefined }): void {
    for (const { group } of this.#manager.services.values()) {
      if (group !== told.service) continue;
      this.#tell(told);
      return;
    }
  }

  #did(what: string): void {
    this.#own.set(what, this.#environment.now());
  }

  #notice(change: Change): void {
    if (this.#fresh.length < MOST_WAITING) this.#fresh.push(change);
    else this.#lost++;
  }

  #settle(): void {
    const settled = this.#settling;
    this.#settling = this.#fresh;
    this.#fresh = [];
    for (const { id, version, what, cause } of settled) {
      if (this.#own.has(what === 'ended' ? id : `${id} ${version}`)) continue;
      // Told twice is enough.
      this.#did(what === 'ended' ? id : `${id} ${version}`);
      const theirs = { id, elsewhere: true };
      void this.#ownerOf(id, (owner) =>
        what === 'ended'
          ? { event: 'ended', ...theirs, ...owner, cause }
          : { event: 'changed', ...theirs, ...owner, version },
      );
    }
    const before = this.#environment.now() - REMEMBERED;
    for (const [what, at] of this.#own) {
      if (at > before) break;
      this.#own.delete(what);
    }
    if (this.#lost === 0) return;
    const message = `admin API: the event feed has left out ${this.#lost} notices of other processes`;
    this.#lost = 0;
    this.#environment.log({ level: 'warning', message });
  }

  /** Tells what happened to a session of this manager. While the store does not say whose it is, that is left out. */
  async #ownerOf(id: SessionId, told: (owner: Partial<SessionOwner>) => Told): Promise<void> {
    let owner: Partial<SessionOwner> | undefined;
    try {
      owner = await this.#manager.owner(id);
    } catch {
      owner = {};
    }
    if (owner !== undefined) this.#tell(told(owner));
  }

  #tell(event: Told): void {
    if (this.#readers.size === 0) return;
    this.#number++;
    const at = new Date(this.#environment.now()).toISOString();
    const numbered: Numbered = { number: this.#number, event: { at, ...event } };
    for (const reader of [...this.#readers]) reader.tell(numbered);
  }
}
