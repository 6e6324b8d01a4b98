import { type Backend, type ConfigSchema, processEnvironment } from '@sessionkit/session-core';
import { startCouchbase } from '@sessionkit/test-stores/couchbase';
import type { Address, ConnectOptions, StoreHarness } from '@sessionkit/testkit';
import module from '../src/module.js';
import { DEFAULT_PREFIX, Keys } from '../src/options.js';
import resource from '../src/resource.js';

const LOGIN = { user: 'test', password: 'test-password', bucket: 'sessionkit' };
const keys = new Keys(DEFAULT_PREFIX);

/**
 * A backend as a configuration file makes it, on the node at these addresses; closing it closes its connection. A client is told by the node where it is, so that
 * one that is to come by a proxy asks for the network that was named for it.
 */
export async function connectTo(
  addresses: readonly Address[],
  {
    via = addresses,
    deadline,
    durable,
    environment = { ...processEnvironment, log: () => {} },
  }: ConnectOptions = {},
  options: object = {},
): Promise<Backend> {
  const [{ host, port } = { host: '127.0.0.1', port: 0 }] = via;
  const network = via === addresses ? '' : `?network=${networkOf(port)}`;
  const section = { _class: 'couchbase', cluster: `couchbase://${host}:${port}${network}`, ...LOGIN };
  const connection = resource.create(valid(resource.config, section), { environment, deadline });
  const config = valid(module.config, { type: 'couchbase', resource: 'store', durable, ...options });
  const context = { environment, path: 'session.backend', deadline, resource: () => connection };
  const backend = await module.create(config, context);
  const close = backend.close.bind(backend);
  let closed: Promise<void> | undefined;
  return Object.assign(backend, {
    close() {
      closed ??= close().then(() => resource.close(connection));
      return closed;
    },
  });
}

/** The double. It keeps its documents when it is stopped, as a node does that has them on disk. */
export const single: StoreHarness = {
  name: 'couchbase double',
  async start() {
    const { double, stop } = await startCouchbase({ own: true });
    if (double === undefined) throw new Error('the suites need a server of their own');
    const addresses = [{ host: '127.0.0.1', port: double.port }];
    return {
      addresses,
      async connect(options) {
        const [proxy] = options?.via ?? [];
        if (proxy !== undefined) await double.advertise(networkOf(proxy.port), proxy);
        return connectTo(addresses, options);
      },
      peek: async (id) => (await double.show(keys.session(id)))?.value,
      async corrupt(id) {
        await double.write(keys.session(id), '{"session":{"format":1}}');
      },
      connections: () => double.connections(),
      kill: () => double.stop(),
      async restart() {
        await double.start();
      },
      stop,
    };
  },
};

const networkOf = (port: number) => `by-${port}`;

/** A section as the schema of its module gives it out. */
function valid<Config>(schema: ConfigSchema<Config>, section: object): Config {
  const { value, issues } = schema['~standard'].validate(section) as { value?: Config; issues?: unknown };
  if (issues !== undefined) throw new Error(JSON.stringify(issues));
  return value as Config;
}
