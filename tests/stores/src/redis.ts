import { connect } from 'node:net';
import { find, freePort, type Program, Server, throwawayFolder } from './launch.js';

export const REDIS_SERVER: Program = {
  name: 'redis-server',
  debian: 'redis-server',
  macos: 'redis',
  variable: 'REDIS_URL',
};

export interface RedisServer {
  /** `redis://127.0.0.1:PORT` */
  readonly url: string;
  /** Undefined for a server that the environment named: it is not ours to stop. */
  readonly server: Server | undefined;
  /** Sends one command on a connection of its own; answers the raw reply as text. */
  ask(...command: string[]): Promise<string>;
  /** Calls of each command since the start or the last `CONFIG RESETSTAT`, in lower case. */
  calls(): Promise<Record<string, number>>;
  stop(): Promise<void>;
}

/** A Redis of its own on a free port, or the one that `REDIS_URL` names. It forgets everything when it stops unless `durable`. */
export async function startRedis(
  options: { durable?: boolean; args?: readonly string[] } = {},
): Promise<RedisServer> {
  const given = process.env.REDIS_URL;
  if (given !== undefined && options.args === undefined && options.durable === undefined)
    return at(given, undefined);
  const command = await find(REDIS_SERVER);
  const port = await freePort();
  const folder = await throwawayFolder('redis');
  const url = `redis://127.0.0.1:${port}`;
  const kept = options.durable
    ? ['--appendonly', 'yes', '--appendfsync', 'always']
    : ['--save', '', '--appendonly', 'no'];
  const args = [
    '--port',
    `${port}`,
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    ...kept,
    ...(options.args ?? []),
  ];
  const ready = async () => (await askRedis(url, ['PING'])).startsWith('+PONG');
  const server = new Server({ command, args, folder, ready });
  await server.start();
  return at(url, server);
}

function at(url: string, server: Server | undefined): RedisServer {
  return {
    url,
    server,
    ask: (...command) => askRedis(url, command),
    async calls() {
      const text = await askRedis(url, ['INFO', 'commandstats']);
      const found = text.matchAll(/^cmdstat_([^:\r\n]+):calls=(\d+)/gm);
      return Object.fromEntries([...found].map(([, name = '', calls]) => [name, Number(calls)]));
    },
    stop: async () => {
      await server?.stop();
    },
  };
}

/** One command in the protocol's own words, so that no client stands between a test and the server; answers the raw reply as text. */
export function askRedis(
  url: string,
  command: readonly string[],
  options: { sentinel?: boolean | undefined } = {},
): Promise<string> {
  const { hostname, port, username, password } = new URL(url);
  const login =
    password === '' ? [] : [['AUTH', ...(username === '' ? [] : [username]), decodeURIComponent(password)]];
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port || 6379), hostname);
    let text = '';
    socket.setTimeout(5_000, () => socket.destroy(new Error(`Redis at ${hostname}:${port} is silent`)));
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    // Sentinel knows no QUIT; it answers what it was asked before it closes a connection that has ended.
    const last = options.sentinel ? [] : [['QUIT']];
    socket.on('end', () => {
      const reply = login.length === 0 ? text : text.slice(text.indexOf('\r\n') + 2);
      resolve(options.sentinel ? reply : bare(reply));
    });
    const words = [...login, command, ...last].map(encoded).join('');
    if (options.sentinel) socket.end(words);
    else socket.write(words);
  });
}

/** Without the `+OK` that answers QUIT. */
function bare(text: string): string {
  return text.endsWith('+OK\r\n') ? text.slice(0, -5) : text;
}

function encoded(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}
