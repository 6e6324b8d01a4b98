import { SessionError } from '@sessionkit/session-core';
import { type Bucket, type Collection, RangeScan, ScanTerm } from 'couchbase';
import { CouchbaseBackend } from './backend.js';
import { type CouchbaseOptions, checked } from './options.js';
import { scanKeys } from './scan.js';
import { type Access, Store } from './store.js';

export type { CouchbaseBackend } from './backend.js';
export type { CouchbaseOptions, Field, Level } from './options.js';

/**
 * A backend that keeps sessions as documents of your collection, or of the default collection of your bucket. Its cluster stays yours: closing the backend does not
 * close it. Lists scan on this thread, which waits for one round trip; the YAML's `resources:` scans on another one.
 *
 * @throws SessionError `CONFIG_INVALID` for names or a prefix that are not possible, and for what is no collection.
 */
export function couchbase(place: Collection | Bucket, options: CouchbaseOptions = {}): CouchbaseBackend {
  const collection = collectionOf(place);
  return new CouchbaseBackend(new Store(accessTo(collection), checked(options)));
}

function collectionOf(place: Collection | Bucket): Collection {
  const { defaultCollection, get } = (place ?? {}) as Partial<Bucket & Collection>;
  if (typeof get === 'function') return place as Collection;
  if (typeof defaultCollection === 'function') return (place as Bucket).defaultCollection();
  throw new SessionError('CONFIG_INVALID', 'a collection or a bucket of the package couchbase is needed');
}

function accessTo(collection: Collection): Access {
  return {
    collection: () => collection,
    answered: () => {},
    silent: () => {},
    scan: (range, within) => scanKeys({ RangeScan, ScanTerm }, collection, range, within),
  };
}
