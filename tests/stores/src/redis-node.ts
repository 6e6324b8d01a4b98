import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { find, freePort, isFree, Server, throwawayFolder } from './launch.js';
import { askRedis, REDIS_SERVER } from './redis.js';

/** The bus of a Cluster takes the port 10,000 above that of the clients. */
const BUS_ABOVE = 10_000;
const SETTLED_WITHIN = 60_000;
/** A port that was free a moment ago may be that of another server by now. */
const PORTS_TRIED = 5;

/** One of several servers that belong together. Its configuration is a file, which Sentinel and the server itself rewrite. */
export interface RedisNode {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly server: Server;
  /** Sends one command on a connection of its own; answers the raw reply as text. */
  ask(...command: string[]): Promise<string>;
}

/** Lines of a configuration file that keep what was acknowledged over a kill, or forget all. */
export function keeping(durable: boolean): string[] {
  return durable ? ['appendonly yes', 'appendfsync always'] : ['save ""', 'appendonly no'];
}

/** Starts one on a free port. `lines` are those of its configuration file, to which port, address and folder are added. */
export async function startNode(
  lines: readonly string[],
  options: { sentinel?: boolean | undefined } = {},
): Promise<RedisNode> {
  for (let tries = PORTS_TRIED; ; tries--) {
    try {
      return await startOn(await freeBusPort(), lines, options);
    } catch (error) {
      if (tries === 1) throw error;
    }
  }
}

async function startOn(
  port: number,
  lines: readonly string[],
  options: { sentinel?: boolean | undefined },
): Promise<RedisNode> {
  const command = await find(REDIS_SERVER);
  const folder = await throwawayFolder('redis');
  const file = join(folder, 'redis.conf');
  const own = [`port ${port}`, 'bind 127.0.0.1', `dir ${folder}`];
  await writeFile(file, `${[...own, ...lines].join('\n')}\n`);
  const ask = (...words: string[]) => askRedis(`redis://127.0.0.1:${port}`, words, options);
  const server = new Server({
    command,
    args: options.sentinel ? [file, '--sentinel'] : [file],
    folder,
    ready: async () => (await ask('PING')).startsWith('+PONG'),
  });
  await server.start();
  return { host: '127.0.0.1', port, server, ask };
}

async function freeBusPort(): Promise<number> {
  for (;;) {
    const port = await freePort();
    if (await isFree(port + BUS_ABOVE)) return port;
  }
}

/** Asks again and again until it is so; a throw counts as no. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + SETTLED_WITHIN;
  let fault: unknown;
  const asked = () =>
    holds().catch((error: unknown) => {
      fault = error;
      return false;
    });
  while (!(await asked())) {
    if (Date.now() > end) throw new Error(`${what}: not within ${SETTLED_WITHIN} ms`, { cause: fault });
    await pause(50);
  }
}

/** Members of a reply to INFO, or to CLUSTER INFO. */
export function members(reply: string): Readonly<Record<string, string>> {
  const found = [...reply.matchAll(/^([a-z_0-9]+):(.*?)\r?$/gm)];
  return Object.fromEntries(found.map(([, name = '', value = '']) => [name, value]));
}

/** Connections of clients to a server; those of replicas, masters, Sentinel and of this question are not among them. */
export async function clientsOf(node: RedisNode): Promise<number> {
  const list = (await node.ask('CLIENT', 'LIST')).split('\n').filter((line) => line.startsWith('id='));
  const others = /( flags=\w*[MS]| name=sentinel-| cmd=client\|list)/;
  return list.filter((line) => !others.test(line)).length;
}

/** Replicas that are sent what a master writes: one that has just copied all of it is not until it has said so. */
export async function replicasOf(node: RedisNode): Promise<number> {
  const info = await node.ask('INFO', 'replication');
  return [...info.matchAll(/^slave\d+:.*state=online/gm)].length;
}
