import { askRedis } from './redis.js';

interface Address {
  readonly host: string;
  readonly port: number;
}

/** A server that the environment has named: it is not ours to stop or to kill. */
export interface GivenCluster {
  readonly nodes: readonly Address[];
  /** Sends a command to the server that has its keys. */
  askFor(...command: string[]): Promise<string>;
}

export interface GivenSentinel {
  readonly group: string;
  readonly sentinels: readonly Address[];
  readonly servers: readonly Address[];
  /** Sends a command to the master. */
  ask(...command: string[]): Promise<string>;
}

const urlOf = ({ host, port }: Address) => `redis://${host}:${port}`;

/** The Cluster of `REDIS_CLUSTER_URL`, `redis://HOST:PORT,HOST:PORT`; undefined when there is none. */
export function givenCluster(text = process.env.REDIS_CLUSTER_URL): GivenCluster | undefined {
  if (text === undefined) return undefined;
  const { addresses } = parsed('REDIS_CLUSTER_URL', text);
  const ask = async (at: Address, command: readonly string[]): Promise<string> => {
    const reply = await askRedis(urlOf(at), command);
    const [, host, port] = /^-MOVED \d+ (.*):(\d+)/.exec(reply) ?? [];
    return host === undefined ? reply : ask({ host, port: Number(port) }, command);
  };
  return { nodes: addresses, askFor: (...command) => ask(addresses[0] as Address, command) };
}

/** The sentinels of `REDIS_SENTINEL_URL`, `redis://HOST:PORT,HOST:PORT/MASTER`; undefined when there are none. */
export function givenSentinel(text = process.env.REDIS_SENTINEL_URL): GivenSentinel | undefined {
  if (text === undefined) return undefined;
  const { addresses, name } = parsed('REDIS_SENTINEL_URL', text);
  return {
    group: name,
    sentinels: addresses,
    servers: [],
    async ask(...command) {
      const question = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name];
      const reply = await askRedis(urlOf(addresses[0] as Address), question, { sentinel: true });
      const [host = '', port] = [...reply.matchAll(/\$\d+\r\n(.*)\r\n/g)].map(([, word]) => word);
      return askRedis(urlOf({ host, port: Number(port) }), command);
    },
  };
}

function parsed(
  variable: string,
  text: string,
): { readonly addresses: readonly Address[]; readonly name: string } {
  const [, list = '', name = ''] = /^redis:\/\/([^/]+)(?:\/(.+))?$/.exec(text) ?? [];
  const addresses = list.split(',').map((each) => {
    const [, host = '', port] = /^(.+):(\d+)$/.exec(each) ?? [];
    return { host, port: Number(port) };
  });
  if (addresses.some(({ host }) => host === ''))
    throw new Error(`${variable} is redis://HOST:PORT,HOST:PORT, not ${text}`);
  return { addresses, name };
}
