import type { Place } from './configuration.js';
import type { Relay } from './relay.js';
import type { Server, Settings } from './server.js';
import { type Controls, startThread } from './thread.js';

export { VBUCKETS } from './bucket.js';
export { STATUS } from './protocol.js';
export type { Fault } from './relay.js';

const OF_SERVER = ['start', 'stop', 'keys', 'clear', 'advance'] as const;
const OF_RELAY = ['start', 'stop', 'connections', 'inject', 'heal', 'counts'] as const;

/** A node that runs in a thread of its own: a scan of the SDK keeps the thread of its caller busy until it is answered. */
export interface CouchbaseDouble extends Controls<Server, (typeof OF_SERVER)[number]> {
  readonly port: number;
  readonly url: string;
  /** Of its REST interface: `http://127.0.0.1:PORT` */
  readonly management: string;
  readonly settings: Settings;
  /** Ends the thread; what was stored is gone. */
  close(): Promise<void>;
}

/** Before a node, in a thread of its own for the same reason. */
export interface CouchbaseRelay extends Controls<Relay, (typeof OF_RELAY)[number]> {
  /** On the loopback. */
  readonly port: number;
  /** Ends the thread. */
  close(): Promise<void>;
}

/** Starts an empty node on free ports of the loopback. */
export async function startDouble(settings: Partial<Settings> = {}): Promise<CouchbaseDouble> {
  const whole: Settings = { user: 'test', password: 'test-password', bucket: 'sessionkit', ...settings };
  const { controls, close } = await startThread<Server, (typeof OF_SERVER)[number]>(
    { kind: 'server', settings: whole },
    OF_SERVER,
  );
  const { documents, management } = await controls.start();
  return {
    ...controls,
    port: documents,
    url: `couchbase://127.0.0.1:${documents}`,
    management: `http://127.0.0.1:${management}`,
    settings: whole,
    close,
  };
}

/** Starts a relay before a node, on a free port of the loopback. */
export async function startRelay(target: Place): Promise<CouchbaseRelay> {
  const { controls, close } = await startThread<Relay, (typeof OF_RELAY)[number]>(
    { kind: 'relay', target },
    OF_RELAY,
  );
  return { ...controls, port: await controls.start(), close };
}
