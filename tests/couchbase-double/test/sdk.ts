import { type Cluster, type Collection, connect } from 'couchbase';
import type { CouchbaseDouble } from '../src/index.js';

/** The real SDK on the double. Without telemetry: the double has no web server for it. */
export function connectTo(
  { url, settings }: CouchbaseDouble,
  { password = settings.password, query = '' }: { password?: string; query?: string } = {},
): Promise<Cluster> {
  return connect(`${url}${query}`, {
    username: settings.user,
    password,
    timeouts: { kvTimeout: 2_000, bootstrapTimeout: 5_000 },
    appTelemetryConfig: { enabled: false },
  });
}

export function collectionOf(cluster: Cluster, { settings }: CouchbaseDouble): Collection {
  return cluster.bucket(settings.bucket).defaultCollection();
}
