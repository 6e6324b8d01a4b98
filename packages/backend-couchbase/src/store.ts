import { type Millis, SessionError } from '@sessionkit/session-core';
import {
  type Cas,
  type Collection,
  DurabilityLevel,
  LookupInSpec,
  type MutateInSpec,
  type Transcoder,
} from 'couchbase';
import { down, faultOf, isTimeout, nameOf } from './faults.js';
import type { CheckedOptions, Level } from './options.js';
import type { KeyRange, Scanned } from './scan.js';

/** How documents are reached. */
export interface Access {
  /** Waits at most so long for a connection that is not there yet. */
  collection(within: Millis): Collection | Promise<Collection>;
  /** Somebody answered. */
  answered(): void;
  /** Nobody did, in time. */
  silent(): void;
  scan(range: KeyRange, within: Millis): Promise<Scanned>;
}

/** What came of a write. */
export type Written = { readonly cas: Cas } | 'gone' | 'changed';

export interface Found {
  /** What its JSON says; anything where it is none. */
  readonly content: unknown;
  readonly cas: Cas;
}

export interface Parts {
  readonly parts: readonly unknown[];
  readonly cas: Cas;
}

export interface Writing {
  readonly cas?: Cas | undefined;
  /** When the server may forget it, in ms. */
  readonly until: Millis;
  /** It is acknowledged when the replicas have it, where that was asked for. */
  readonly durable?: boolean | undefined;
}

/** 20 MB: https://docs.couchbase.com/server/current/learn/data/data.html */
export const LARGEST = 20 * 1_024 * 1_024;
/** The server's clock may be another one, and forgets late. */
const KEPT_LATE: Millis = 300_000;
const LONGEST = 10 * 365 * 24 * 3_600;
const JSON_FLAGS = 0x02000000;
/** The part of the deadline after which the SDK has stopped trying, so that nothing is sent when core has given up. */
const GIVEN_UP = 0.95;

const DURABILITY: Readonly<Record<Level, DurabilityLevel>> = {
  majority: DurabilityLevel.Majority,
  majority_and_persist_to_active: DurabilityLevel.MajorityAndPersistOnMaster,
  persist_to_majority: DurabilityLevel.PersistToMajority,
};

/** Documents are JSON already when they are handed to the SDK. */
const TRANSCODER: Transcoder = {
  encode: (json: Buffer) => [json, JSON_FLAGS],
  decode: (bytes: Buffer) => bytes,
};

export class Store {
  readonly options: CheckedOptions;
  readonly access: Access;
  readonly #durability: DurabilityLevel | undefined;
  #closed = false;

  constructor(access: Access, options: CheckedOptions) {
    this.access = access;
    this.options = options;
    this.#durability = options.level === undefined ? undefined : DURABILITY[options.level];
  }

  get now(): Millis {
    return this.options.now();
  }

  close(): void {
    this.#closed = true;
  }

  /**
   * Runs a verb, which ends when its signal aborts: what was sent by then may still be done.
   *
   * @throws SessionError `BACKEND_CLOSED`, and `BACKEND_DOWN` where the signal has aborted.
   */
  async verb<T>(what: string, signal: AbortSignal, run: (call: Call) => Promise<T>): Promise<T> {
    if (this.#closed) throw new SessionError('BACKEND_CLOSED', 'this backend was closed');
    if (signal.aborted) throw down(`${what}: the caller has stopped waiting`, signal.reason);
    let stop = () => {};
    const aborted = new Promise<never>((_, reject) => {
      stop = () => reject(down(`${what}: the caller has stopped waiting`, signal.reason));
    });
    signal.addEventListener('abort', stop, { once: true });
    try {
      return await Promise.race([run(new Call(this, what, signal, this.#durability)), aborted]);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }
}

/** What one verb asks of the server, within one deadline. Expected outcomes are values. */
export class Call {
  readonly store: Store;
  readonly #what: string;
  readonly #signal: AbortSignal;
  readonly #durability: DurabilityLevel | undefined;
  readonly #until: Millis;

  constructor(store: Store, what: string, signal: AbortSignal, durability: DurabilityLevel | undefined) {
    this.store = store;
    this.#what = what;
    this.#signal = signal;
    this.#durability = durability;
    this.#until = performance.now() + store.options.deadline * GIVEN_UP;
  }

  /** The document; undefined for none. */
  async get(key: string): Promise<Found | undefined> {
    return this.#ask((documents, timeout) => documents.get(key, { timeout }), {
      DocumentNotFoundError: undefined,
    });
  }

  /** Parts of a document, by their paths; undefined for one that is not there, and for all where the document is no JSON. */
  async parts(key: string, ...paths: readonly string[]): Promise<Parts | undefined> {
    return this.#ask(
      async (documents, timeout) => {
        const specs = paths.map((path) => LookupInSpec.get(path));
        const { content, cas } = await documents.lookupIn(key, specs, { timeout });
        return { parts: content.map(({ value }) => value as unknown), cas };
      },
      { DocumentNotFoundError: undefined },
    );
  }

  async insert(key: string, json: string, writing: Omit<Writing, 'cas'>): Promise<Cas | undefined> {
    const bytes = bytesOf(json);
    return this.#ask(
      async (documents, timeout) => (await documents.insert(key, bytes, this.#written(writing, timeout))).cas,
      { DocumentExistsError: undefined },
    );
  }

  /** Without a `cas` over any version. */
  async replace(key: string, json: string, writing: Writing): Promise<Written> {
    const bytes = bytesOf(json);
    return this.#ask<Written, Written>(
      async (documents, timeout) => ({
        cas: (await documents.replace(key, bytes, this.#written(writing, timeout))).cas,
      }),
      { DocumentNotFoundError: 'gone', CasMismatchError: 'changed' },
    );
  }

  async upsert(key: string, json: string, writing: Omit<Writing, 'cas'>): Promise<void> {
    const bytes = bytesOf(json);
    await this.#ask(
      (documents, timeout) => documents.upsert(key, bytes, this.#written(writing, timeout)),
      {},
    );
  }

  /** Changes parts of a document; `unfit` where it has not the form for that. */
  async change(
    key: string,
    specs: readonly MutateInSpec[],
    { cas, until, durable = false }: Writing & { readonly cas: Cas },
  ): Promise<Written | 'unfit'> {
    return this.#ask<Written, Written | 'unfit'>(
      async (documents, timeout) => {
        const expiry = this.#expiry(until);
        const options = { cas, timeout, expiry, ...this.#durably(durable) };
        return { cas: (await documents.mutateIn(key, [...specs], options)).cas };
      },
      {
        DocumentNotFoundError: 'gone',
        CasMismatchError: 'changed',
        PathNotFoundError: 'unfit',
        PathMismatchError: 'unfit',
        DocumentNotJsonError: 'unfit',
        ValueInvalidError: 'unfit',
        PathTooDeepError: 'unfit',
      },
    );
  }

  async remove(key: string, cas: Cas): Promise<Written> {
    return this.#ask<Written, Written>(
      async (documents, timeout) => ({
        cas: (await documents.remove(key, { cas, timeout, ...this.#durably(true) })).cas,
      }),
      { DocumentNotFoundError: 'gone', CasMismatchError: 'changed' },
    );
  }

  async scan(range: KeyRange): Promise<Scanned> {
    return this.#ask(() => this.store.access.scan(range, this.#left()), {});
  }

  /** How long there is left, at least 1 ms. */
  #left(): Millis {
    if (this.#signal.aborted)
      throw down(`${this.#what}: the caller has stopped waiting`, this.#signal.reason);
    const left = this.#until - performance.now();
    if (left < 1) throw down(`${this.#what}: no time is left`);
    return Math.floor(left);
  }

  async #ask<T, O = undefined>(
    run: (documents: Collection, timeout: Millis) => Promise<T>,
    outcomes: Readonly<Record<string, O>>,
  ): Promise<T | O> {
    const { access } = this.store;
    try {
      const documents = await access.collection(this.#left());
      const answer = await run(documents, this.#left());
      access.answered();
      return answer;
    } catch (error) {
      const name = nameOf(error);
      if (Object.hasOwn(outcomes, name)) {
        access.answered();
        return outcomes[name] as O;
      }
      if (isTimeout(error)) access.silent();
      throw faultOf(this.#what, error);
    }
  }

  #written({ cas, until, durable = false }: Writing, timeout: Millis) {
    const expiry = this.#expiry(until);
    return {
      timeout,
      expiry,
      transcoder: TRANSCODER,
      ...(cas === undefined ? {} : { cas }),
      ...this.#durably(durable),
    };
  }

  #durably(durable: boolean): { readonly durabilityLevel?: DurabilityLevel } {
    return durable && this.#durability !== undefined ? { durabilityLevel: this.#durability } : {};
  }

  /** Seconds from now: the SDK makes a time of them where they are more than 30 days. */
  #expiry(until: Millis): number {
    const seconds = Math.ceil((until - this.store.now + KEPT_LATE) / 1_000);
    return Math.min(Math.max(seconds, KEPT_LATE / 1_000), LONGEST);
  }
}

/** @throws SessionError `RECORD_TOO_LARGE` */
export function checkSize(json: string): void {
  // No character has more than three bytes.
  const bytes = json.length * 3 > LARGEST ? Buffer.byteLength(json) : 0;
  if (bytes > LARGEST)
    throw new SessionError(
      'RECORD_TOO_LARGE',
      `a document of ${bytes} bytes is larger than Couchbase keeps, ${LARGEST}`,
    );
}

function bytesOf(json: string): Buffer {
  checkSize(json);
  return Buffer.from(json);
}
