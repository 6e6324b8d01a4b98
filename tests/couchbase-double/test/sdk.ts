import { type Cluster, type Collection, connect } from 'couchbase';
import { type CouchbaseDouble, type CouchbaseRelay, startRelay } from '../src/index.js';

/** The real SDK on the double. */
export function connectTo(
  { url, settings }: Pick<CouchbaseDouble, 'url' | 'settings'>,
  password = settings.password,
): Promise<Cluster> {
  return connect(url, {
    username: settings.user,
    password,
    timeouts: { kvTimeout: 2_000, bootstrapTimeout: 5_000 },
    appTelemetryConfig: { enabled: false },
  });
}

export function collectionOf(cluster: Cluster, { settings }: Pick<CouchbaseDouble, 'settings'>): Collection {
  return cluster.bucket(settings.bucket).defaultCollection();
}

/** A relay before the double, which clients of the answered `url` come by. */
export async function relayed(double: CouchbaseDouble): Promise<CouchbaseRelay & { readonly url: string }> {
  const relay = await startRelay({ host: '127.0.0.1', port: double.port });
  const place = { hostname: '127.0.0.1', kv: `${relay.port}` };
  await ask(double, 'PUT', '/node/controller/setupAlternateAddresses/external', place);
  return { ...relay, url: `couchbase://127.0.0.1:${relay.port}?network=external` };
}

/** Asks the REST interface; answers the status and what its JSON says. */
export async function ask(
  { management, settings }: CouchbaseDouble,
  method: string,
  path: string,
  form?: Record<string, string>,
  password = settings.password,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const login = Buffer.from(`${settings.user}:${password}`).toString('base64');
  const answer = await fetch(`${management}${path}`, {
    method,
    headers: { authorization: `Basic ${login}` },
    ...(form && { body: new URLSearchParams(form) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
}
