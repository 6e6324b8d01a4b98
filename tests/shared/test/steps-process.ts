// One process that makes one call of a backend, and is killed before the step that it may not take any more.

import type { Backend } from '@sessionkit/session-core';

/** What the test asks this process to do. */
export interface Order {
  readonly store: 'redis' | 'cluster' | 'postgres' | 'mysql';
  /** Of a Cluster its servers, `HOST:PORT` with commas between. */
  readonly url: string;
  /** Prefix of the keys, or the table. */
  readonly place: string;
  /** Steps that may be taken: commands, or statements. */
  readonly steps: number;
  /** Dies with the last step under way, not after its answer. */
  readonly inFlight?: boolean | undefined;
  /** What goes out together goes out in the opposite order: breaks an adapter on purpose, but for a Cluster, where it has no order. */
  readonly reversed?: boolean | undefined;
  readonly verb: string;
  readonly args: readonly unknown[];
}

/** What it says when it came to the end of the call. */
export interface Done {
  readonly answer: unknown;
}

const signal = new AbortController().signal;
const order = JSON.parse(process.argv[2] ?? '') as Order;
let left = Number.POSITIVE_INFINITY;

function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => {});
}

async function step<T>(take: () => Promise<T>): Promise<T> {
  if (left === 0) return die();
  left--;
  const answer = take();
  if (left > 0 || !order.inFlight) return answer;
  answer.catch(() => undefined);
  // The socket takes what it was given within this turn of the event loop.
  await new Promise((resolve) => setImmediate(resolve));
  return die();
}

async function onRedis(): Promise<Backend> {
  const { Redis } = await import('ioredis');
  const { redis } = await import('@sessionkit/backend-redis');
  const client = new Redis(order.url, {
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    lazyConnect: true,
  });
  await client.connect();
  const counted = {
    options: client.options,
    status: client.status,
    on: client.on.bind(client),
    off: client.off.bind(client),
    duplicate: (override: object) => client.duplicate(override),
    call: (name: string, args: string[]) => step(() => client.call(name, args)),
    pipeline: (commands: unknown[][]) => ({
      async exec() {
        const sent = order.reversed ? commands.toReversed() : commands;
        const may = Math.min(left, sent.length);
        left -= may;
        const answers = await client.pipeline(sent.slice(0, may)).exec();
        if (may < sent.length) return die();
        return (order.reversed ? answers?.toReversed() : answers) ?? null;
      },
    }),
  };
  return redis(counted, { prefix: order.place });
}

async function onCluster(): Promise<Backend> {
  const { calling, clusterOf } = await import('./steps-cluster.js');
  const { redis } = await import('@sessionkit/backend-redis');
  const cluster = await clusterOf(order.url);
  let waiting: (() => Promise<void>)[] = [];
  // What leaves in one turn of the event loop reaches several servers: as many of it as there are steps left, from either side.
  const flush = async () => {
    const batch = order.reversed ? waiting.toReversed() : waiting;
    waiting = [];
    const may = Math.min(left, batch.length);
    left -= may;
    await Promise.all(batch.slice(0, may).map((send) => send()));
    if (may < batch.length) await die();
  };
  const call = (name: string, args: string[]) =>
    new Promise((resolve, reject) => {
      if (waiting.length === 0) setImmediate(flush);
      waiting.push(() => cluster.call(name, args).then(resolve, reject));
    });
  return redis(calling(cluster, call), { prefix: order.place });
}

async function onPostgres(): Promise<Backend> {
  const { default: pg } = await import('pg');
  const { postgres } = await import('@sessionkit/backend-postgres');
  const pool = new pg.Pool({ connectionString: order.url, max: 1, application_name: 'steps' });
  // The form of it that answers a promise.
  const connect: () => Promise<object & { query: unknown }> = pool.connect.bind(pool);
  Object.assign(pool, {
    async connect() {
      const client = await connect();
      const query = (client.query as (text: string) => Promise<unknown>).bind(client);
      return new Proxy(client, {
        get(target, name) {
          if (name === 'query') return (text: string) => step(() => query(text));
          const member: unknown = Reflect.get(target, name);
          return typeof member === 'function' ? member.bind(target) : member;
        },
      });
    },
  });
  const backend = postgres(pool, { table: order.place });
  await backend.check();
  return backend;
}

async function onMysql(): Promise<Backend> {
  const { stepped } = await import('./steps-mysql.js');
  const { mysql } = await import('@sessionkit/backend-mysql');
  const backend = mysql(stepped(order.url, step, order.reversed === true), { table: order.place });
  await backend.check();
  return backend;
}

const makers = { redis: onRedis, cluster: onCluster, postgres: onPostgres, mysql: onMysql };
const backend = await makers[order.store]();
// What belongs to the start, not to the call: scripts, columns, the clock.
await backend.now(signal);
left = order.steps;
const verb: unknown = Reflect.get(backend, order.verb);
if (typeof verb !== 'function') throw new Error(`there is no ${order.verb}`);
const answer: unknown = await Reflect.apply(verb, backend, [...order.args, signal]);
process.send?.({ answer } satisfies Done, () => process.exit(0));
