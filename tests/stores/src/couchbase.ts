import { type CouchbaseDouble, startDouble } from '@sessionkit/couchbase-double';

export type { CouchbaseDouble };

export interface CouchbaseServer {
  /** `couchbase://127.0.0.1:PORT`, without a user in it. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly bucket: string;
  /** Undefined where the environment named a cluster: it is not ours to stop. */
  readonly double: CouchbaseDouble | undefined;
  stop(): Promise<void>;
}

/**
 * The cluster that `COUCHBASE_URL` names, as `couchbase://USER:PASSWORD@HOST/BUCKET`; else a double of one, in a thread of its own, since no server can be installed with npm or apt. Keys of a
 * test begin with a prefix of its own: a cluster that the environment named is not empty.
 */
export async function startCouchbase({ own = false } = {}): Promise<CouchbaseServer> {
  const given = process.env.COUCHBASE_URL;
  if (given !== undefined && !own) {
    const { protocol, host, username, password, pathname } = new URL(given);
    return {
      url: `${protocol}//${host}`,
      user: decodeURIComponent(username),
      password: decodeURIComponent(password),
      bucket: pathname.slice(1),
      double: undefined,
      stop: async () => {},
    };
  }
  const double = await startDouble({ collections: ['shop.sessions'] });
  const { user, password, bucket } = double.settings;
  return { url: double.url, user, password, bucket, double, stop: () => double.close() };
}
