import { connect } from 'node:net';
import { find, freePort, Server, throwawayFolder } from './launch.js';

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
  const command = await find({ name: 'redis-server', debian: 'redis-server', variable: 'REDIS_URL' });
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
  const ready = async () => (await ask(url, ['PING'])).startsWith('+PONG');
  const server = new Server({ command, args, folder, ready });
  await server.start();
  return at(url, server);
}

function at(url: string, server: Server | undefined): RedisServer {
  return {
    url,
    server,
    ask: (...command) => ask(url, command),
    async calls() {
      const text = await ask(url, ['INFO', 'commandstats']);
      const found = text.matchAll(/^cmdstat_([^:\r\n]+):calls=(\d+)/gm);
      return Object.fromEntries([...found].map(([, name = '', calls]) => [name, Number(calls)]));
    },
    stop: async () => {
      await server?.stop();
    },
  };
}

/** One command in the protocol's own words, so that no client stands between a test and the server. */
function ask(url: string, command: readonly string[]): Promise<string> {
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
    socket.on('end', () =>
      resolve(login.length === 0 ? bare(text) : bare(text.slice(text.indexOf('\r\n') + 2))),
    );
    socket.write([...login, command, ['QUIT']].map(encoded).join(''));
  });
}

/** Without the `+OK` that answers QUIT. */
function bare(text: string): string {
  return text.endsWith('+OK\r\n') ? text.slice(0, -5) : text;
}

function encoded(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}
