import { crc32 } from 'node:zlib';
import { type Reply, STATUS } from './protocol.js';

/** A cluster has 1,024 of them; fewer do for a test. */
export const VBUCKETS = 64;
const THIRTY_DAYS = 30 * 24 * 3_600;
const LARGEST = 20 * 1_024 * 1_024;
const LONGEST_KEY = 250;
const COUNTER_BITS = 0xffffn;

export interface Stored {
  readonly value: Buffer;
  readonly flags: number;
  /** Seconds of the Unix epoch; 0 for one that stays. */
  readonly expiry: number;
  readonly cas: bigint;
  readonly seqno: bigint;
}

/** Documents of one partition of a collection, by key: bytes as latin1, so that texts compare as the bytes do. */
type Documents = Map<string, Stored>;

/** The partition of a key, as every client computes it: https://docs.couchbase.com/server/current/learn/buckets-memory-and-storage/vbuckets.html */
export function vbucketOf(key: Buffer): number {
  return ((crc32(key) >>> 16) & 0x7fff) % VBUCKETS;
}

/** What a write needs to know beside its value. */
export interface Writing {
  readonly cas: bigint;
  readonly flags: number;
  readonly expiry: number;
}

/** Documents with the rules of a bucket: compare and swap, expiry, limits. Knows nothing of connections. */
export class Bucket {
  readonly #collections = new Map<number, readonly Documents[]>();
  /** By how many seconds its clock is ahead. */
  #ahead = 0;
  #lastCas = 0n;
  #seqno = 0n;

  advance(seconds: number): void {
    this.#ahead += seconds;
  }

  clear(): void {
    this.#collections.clear();
  }

  /** Keys that are wanted and have not expired, in their order; of one partition, or of all. */
  keys(collection: number, wanted: (key: string) => boolean, vbucket?: number): string[] {
    const now = this.#now();
    const partitions = this.#in(collection);
    return (vbucket === undefined ? partitions : partitions.slice(vbucket, vbucket + 1))
      .flatMap((documents) => [...documents])
      .filter(([key, { expiry }]) => wanted(key) && (expiry === 0 || expiry > now))
      .map(([key]) => key)
      .sort();
  }

  find(collection: number, key: string): Stored | undefined {
    const documents = this.#at(collection, key);
    const found = documents.get(key);
    if (found === undefined || found.expiry === 0 || found.expiry > this.#now()) return found;
    documents.delete(key);
    return undefined;
  }

  insert(collection: number, key: string, value: Buffer, writing: Writing): Reply {
    if (writing.cas !== 0n) return { status: STATUS.invalid };
    if (this.find(collection, key) !== undefined) return { status: STATUS.exists };
    return this.#write(collection, key, value, writing);
  }

  /** With a CAS it is a replacement. */
  upsert(collection: number, key: string, value: Buffer, writing: Writing): Reply {
    return writing.cas === 0n
      ? this.#write(collection, key, value, writing)
      : this.replace(collection, key, value, writing);
  }

  replace(collection: number, key: string, value: Buffer, writing: Writing): Reply {
    const refusal = this.#refusal(collection, key, writing.cas);
    return refusal ?? this.#write(collection, key, value, writing);
  }

  remove(collection: number, key: string, cas: bigint): Reply {
    const refusal = this.#refusal(collection, key, cas);
    if (refusal !== undefined) return refusal;
    this.#at(collection, key).delete(key);
    return { status: STATUS.success, cas: this.#nextCas(), extras: this.#token() };
  }

  /** A new expiry is a new CAS. */
  touch(collection: number, key: string, expiry: number): Stored | undefined {
    const found = this.find(collection, key);
    if (found === undefined) return undefined;
    const touched = { ...found, expiry: this.#expiryOf(expiry), cas: this.#nextCas() };
    this.#at(collection, key).set(key, touched);
    return touched;
  }

  #refusal(collection: number, key: string, cas: bigint): Reply | undefined {
    const found = this.find(collection, key);
    if (found === undefined) return { status: STATUS.notFound };
    return cas !== 0n && cas !== found.cas ? { status: STATUS.exists } : undefined;
  }

  #write(collection: number, key: string, value: Buffer, { flags, expiry }: Writing): Reply {
    if (value.length > LARGEST) return { status: STATUS.tooLarge };
    if (key.length === 0 || key.length > LONGEST_KEY) return { status: STATUS.invalid };
    const cas = this.#nextCas();
    const extras = this.#token();
    // What comes in is part of a larger buffer, which would stay as long as this does.
    const stored = {
      value: Buffer.from(value),
      flags,
      expiry: this.#expiryOf(expiry),
      cas,
      seqno: this.#seqno,
    };
    this.#at(collection, key).set(key, stored);
    return { status: STATUS.success, cas, extras };
  }

  #at(collection: number, key: string): Documents {
    return this.#in(collection)[vbucketOf(Buffer.from(key, 'latin1'))] as Documents;
  }

  #in(collection: number): readonly Documents[] {
    let partitions = this.#collections.get(collection);
    if (partitions === undefined) {
      partitions = Array.from({ length: VBUCKETS }, (): Documents => new Map());
      this.#collections.set(collection, partitions);
    }
    return partitions;
  }

  #now(): number {
    return Math.floor(Date.now() / 1_000) + this.#ahead;
  }

  /** Up to 30 days are counted from now, more are a time. */
  #expiryOf(expiry: number): number {
    return expiry === 0 || expiry > THIRTY_DAYS ? expiry : this.#now() + expiry;
  }

  /** The time in nanoseconds, whose lowest 16 bits count: never the same twice, and never less. */
  #nextCas(): bigint {
    const time = (BigInt(Date.now()) * 1_000_000n) & ~COUNTER_BITS;
    this.#lastCas = time > this.#lastCas ? time : this.#lastCas + 1n;
    return this.#lastCas;
  }

  #token(): Buffer {
    this.#seqno += 1n;
    const token = Buffer.alloc(16);
    token.writeBigUInt64BE(1n, 0);
    token.writeBigUInt64BE(this.#seqno, 8);
    return token;
  }
}
