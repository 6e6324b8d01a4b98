import { can } from './backend.js';
import { SessionError } from './errors.js';
import type { SessionId } from './id.js';
import { cannotList } from './pages.js';
import type { Head, SessionRecord } from './record.js';
import { readOnly } from './refusal.js';
import type { OwnSession } from './session.js';
import type { Settings } from './settings.js';
import type { Store } from './store.js';

/** Asked of a store at a time. */
const PAGE = 500;
/** How often the others are listed at most, however fast new logins follow each other. */
const ROUNDS = 10;

/** The sessions of the user of one of them, in its service or share group. */
export class OwnSessions {
  readonly current: SessionId;
  readonly #store: Store;
  readonly #settings: Settings;
  readonly #record: SessionRecord;
  readonly #user: string;
  readonly #readOnly: boolean;

  /** @throws SessionError `UNSUPPORTED` (client code `session_required`): nobody is logged in. */
  constructor(store: Store, settings: Settings, record: SessionRecord | undefined, readOnly: boolean) {
    if (record?.user === undefined) {
      const message = 'the session has no user, so that there are none of the same user: log in first';
      throw new SessionError('UNSUPPORTED', message, { clientCode: 'session_required' });
    }
    this.current = record.id;
    this.#store = store;
    this.#settings = settings;
    this.#record = record;
    this.#user = record.user;
    this.#readOnly = readOnly;
  }

  async list(): Promise<readonly OwnSession[]> {
    const all: OwnSession[] = [];
    for await (const page of this.#pages()) {
      for (const head of page) {
        const { id, startedAt, authenticatedAt, client } = head;
        const seenAt = this.#store.seenAt(head);
        all.push({ id, startedAt, authenticatedAt, seenAt, client, current: id === this.current });
      }
    }
    return all;
  }

  /** False when there is no such session of the user's. */
  async end(id: SessionId): Promise<boolean> {
    if (this.#readOnly) throw readOnly();
    const record = await this.#store.load(id);
    if (record === undefined || !this.#isOwn(record)) return false;
    return (await this.#end([id])).includes(id);
  }

  /** How many. Lists until a list has none that is new: a login that is stored meanwhile is ended, too. */
  async endOthers(): Promise<number> {
    if (this.#readOnly) throw readOnly();
    const met = new Set<SessionId>([this.current]);
    let ended = 0;
    for (let round = 0, before = 0; round < ROUNDS && met.size > before; round++) {
      before = met.size;
      for await (const page of this.#pages()) {
        const others = page.map(({ id }) => id).filter((id) => !met.has(id));
        for (const id of others) met.add(id);
        if (others.length > 0) ended += (await this.#end(others)).length;
      }
    }
    return ended;
  }

  /** The living ones, ascending by id. */
  async *#pages(): AsyncGenerator<readonly Head[], void, void> {
    const { backend } = this.#store;
    if (!can(backend, 'inspect')) throw cannotList(backend);
    const { group: service } = this.#settings;
    let after: SessionId | undefined;
    do {
      const query = { service, user: this.#user, state: 'open' as const, after, limit: PAGE };
      const page = await this.#store.call('list', (signal) => backend.list(query, signal));
      yield page.items.filter((head) => this.#isOwn(head));
      after = page.next;
    } while (after !== undefined);
  }

  #isOwn(head: Head | SessionRecord): boolean {
    if (head.user !== this.#user || head.service !== this.#record.service) return false;
    return this.#store.isAlive(head, this.#store.now());
  }

  #end(ids: readonly SessionId[]): Promise<readonly SessionId[]> {
    return this.#store.end(ids, 'logout', this.#user, this.#settings.keepEnded);
  }
}
