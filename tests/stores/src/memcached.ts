import { connect } from 'node:net';
import { find, freePort, type Program, Server, throwawayFolder } from './launch.js';

const MEMCACHED: Program = { name: 'memcached', debian: 'memcached', variable: 'MEMCACHE_URL' };

export interface MemcachedServer {
  /** `memcached://127.0.0.1:PORT` */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Undefined for a server that the environment named: it is not ours to stop. */
  readonly server: Server | undefined;
  /** Sends lines on a connection of its own; answers the raw reply as text. */
  ask(...lines: string[]): Promise<string>;
  /** Its dump of keys, which no other command may follow on a connection. */
  keys(): Promise<string>;
  /** Members of the answer to `stats`. */
  stats(): Promise<Readonly<Record<string, string>>>;
  stop(): Promise<void>;
}

/** A memcached of its own on a free port, or the one that `MEMCACHE_URL` names. It forgets everything when it stops. */
export async function startMemcached(
  options: {
    own?: boolean;
    args?: readonly string[];
    /** Paths of PEM files. */
    tls?: { readonly key: string; readonly cert: string };
  } = {},
): Promise<MemcachedServer> {
  const given = process.env.MEMCACHE_URL;
  const { own = false, args: more, tls } = options;
  if (given !== undefined && !own && more === undefined && tls === undefined) return at(given, undefined);
  const command = await find(MEMCACHED);
  const port = await freePort();
  const folder = await throwawayFolder('memcached');
  const url = `memcached://127.0.0.1:${port}`;
  // It refuses to run as root.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const secure =
    tls === undefined ? [] : ['-Z', '-o', `ssl_chain_cert=${tls.cert}`, '-o', `ssl_key=${tls.key}`];
  const args = [...user, '-l', '127.0.0.1', '-p', `${port}`, '-U', '0', ...secure, ...(more ?? [])];
  // One that speaks TLS understands nothing of this: that it takes a connection has to do.
  const ready = async () =>
    tls === undefined ? (await askMemcached(url, ['version'])).startsWith('VERSION') : takesConnections(port);
  const server = new Server({ command, args, folder, ready });
  await server.start();
  return at(url, server);
}

function at(url: string, server: Server | undefined): MemcachedServer {
  const { hostname: host, port } = new URL(url);
  return {
    url,
    host,
    port: Number(port || 11211),
    server,
    ask: (...lines) => askMemcached(url, lines),
    keys: () => askMemcached(url, ['lru_crawler metadump hash'], 'END'),
    async stats() {
      const found = (await askMemcached(url, ['stats'])).matchAll(/^STAT (\S+) (.*?)\r?$/gm);
      return Object.fromEntries([...found].map(([, name = '', value = '']) => [name, value]));
    },
    stop: async () => {
      await server?.stop();
    },
  };
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}

/** Lines in the protocol's own words, so that no client stands between a test and the server; `last` is how the answer ends, where the server does not close after it. */
function askMemcached(url: string, lines: readonly string[], last?: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port || 11211), hostname);
    let text = '';
    socket.setTimeout(5_000, () => socket.destroy(new Error(`memcached at ${hostname}:${port} is silent`)));
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      text += chunk.toString();
      if (last !== undefined && text.endsWith(`${last}\r\n`)) socket.end();
    });
    socket.on('end', () => resolve(text));
    socket.on('close', () => resolve(text));
    const quit = last === undefined ? ['quit'] : [];
    socket.write(`${[...lines, ...quit].join('\r\n')}\r\n`);
  });
}
