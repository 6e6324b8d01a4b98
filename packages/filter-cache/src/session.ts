import { createHash } from 'node:crypto';
import { type Exchange, type FilterSession, type Millis, observeAnswer } from '@sessionkit/session-core';
import { type Fields, freshnessOf, isSafe, keptFields, type Use, useOf } from './rules.js';
import { type Bounds, Drawer, type Entry, type Shelf } from './shelf.js';

/** What all sessions share. */
export interface Common {
  readonly shelf: Shelf;
  readonly perSession: Bounds;
  readonly ttl: Millis | undefined;
  readonly counts: { hits: number; stored: number; passed: number };
  now(): Millis;
}

/** The answers of one session. */
export class CacheSession implements FilterSession {
  readonly #common: Common;
  readonly #drawer: Drawer;
  /** Counts what may have made answers untrue: one that was asked for before that is not kept. */
  #changes = 0;
  #closed = false;

  constructor(common: Common) {
    this.#common = common;
    this.#drawer = new Drawer(common.shelf, common.perSession);
  }

  async handle(exchange: Exchange, next: () => Promise<void>): Promise<void> {
    const { request } = exchange;
    const key = keyOf(exchange);
    const use = useOf(exchange);
    const found = use === 'full' ? this.#drawer.find(key, this.#common.now()) : undefined;
    if (found !== undefined) {
      this.#serve(exchange, found);
      return;
    }
    this.#common.counts.passed += 1;
    const safe = isSafe(request.method);
    const changed = () => {
      if (safe && exchange.steered !== true) return;
      this.#changes += 1;
      if (exchange.steered === true) this.#drawer.clear();
      else this.#drawer.drop(key);
    };
    changed();
    // Whoever was shown a newer answer is not shown the old one again, whatever becomes of the new one.
    if (use === 'renew') this.#drawer.drop(key);
    const giveUp = this.#watch(exchange, key, use, changed);
    try {
      await next();
    } finally {
      changed();
      // Node does not tell of the end of every answer that was cut.
      giveUp();
    }
  }

  close(): void {
    this.#closed = true;
    this.#drawer.clear();
  }

  #serve({ response }: Exchange, { fields, body, bornAt }: Entry): void {
    this.#common.counts.hits += 1;
    const age = Math.max(0, Math.floor((this.#common.now() - bornAt) / 1000));
    response.writeHead(200, [...fields, 'content-length', String(body.length), 'age', String(age)]);
    response.end(body);
  }

  /**
   * Keeps the answer if it may be. `changed` is told before a client can know of the answer, and so before it can ask again. Answers a function that lets go of what
   * has come in.
   */
  #watch(exchange: Exchange, key: string, use: Use, changed: () => void): () => void {
    const { shelf, counts } = this.#common;
    const askedAt = this.#common.now();
    const changes = this.#changes;
    let kept: Omit<Entry, 'body'> | undefined;
    let length: number | undefined;
    let chunks: Buffer[] = [];
    let bytes = 0;
    const giveUp = () => {
      kept = undefined;
      chunks = [];
      shelf.release(bytes);
      bytes = 0;
    };
    observeAnswer(exchange.response, {
      head: (status, fields) => {
        changed();
        if (use === 'none') return;
        kept = this.#judge(exchange, status, fields, askedAt);
        length = lengthOf(fields);
        if (length !== undefined && !this.#drawer.takes(length)) kept = undefined;
      },
      data: (chunk) => {
        if (kept === undefined) return;
        if (!this.#drawer.takes(bytes + chunk.length) || !shelf.reserve(chunk.length)) {
          giveUp();
          return;
        }
        bytes += chunk.length;
        // Whoever writes it may use its memory again.
        chunks.push(Buffer.from(chunk));
      },
      end: (complete) => {
        const whole = complete && (length === undefined || length === bytes);
        const entry = kept && { ...kept, body: joined(chunks, bytes) };
        giveUp();
        if (entry === undefined || !whole || this.#closed || changes !== this.#changes) return;
        if (this.#drawer.put(key, entry)) counts.stored += 1;
      },
    });
    return giveUp;
  }

  #judge(
    exchange: Exchange,
    status: number,
    fields: Fields,
    askedAt: Millis,
  ): Omit<Entry, 'body'> | undefined {
    const fresh = freshnessOf(exchange, status, fields);
    if (fresh === undefined) return undefined;
    const { ttl } = this.#common;
    const storedAt = this.#common.now();
    // RFC 9111 section 4.2.3: the time that the answer took counts as its age.
    const bornAt = askedAt - fresh.age;
    const staleAt = Math.min(bornAt + fresh.lifetime, ttl === undefined ? Infinity : storedAt + ttl);
    return { fields: keptFields(fields, storedAt), bornAt, storedAt, staleAt };
  }
}

/** The URL byte for byte. Only its hash is kept: a query may carry a token. */
function keyOf({ request, scheme, host }: Exchange): string {
  return createHash('sha256').update(`${scheme}://${host} ${request.url}`).digest('base64');
}

function lengthOf(fields: Fields): number | undefined {
  const text = fields['content-length'];
  return text === undefined ? undefined : Number([text].flat()[0]);
}

/** In memory of its own: small buffers otherwise hold a larger one that they share. */
function joined(chunks: readonly Buffer[], bytes: number): Buffer {
  const all = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  for (const chunk of chunks) at += chunk.copy(all, at);
  return all;
}
