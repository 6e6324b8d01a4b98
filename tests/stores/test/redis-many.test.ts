import { expect, it, vi } from 'vitest';
import { startRedisCluster } from '../src/redis-cluster.js';
import { givenCluster, givenSentinel } from '../src/redis-given.js';
import { startRedisSentinel } from '../src/redis-sentinel.js';

const START = 120_000;

it('starts a Redis Cluster whose master is replaced when it is killed, and comes back as a replica', {
  timeout: START,
}, async () => {
  const cluster = await startRedisCluster();
  try {
    expect(await cluster.masters()).toHaveLength(3);
    // The bus, too, is no port that a connection of this machine may take while its server is down.
    const ports = cluster.nodes.flatMap(({ port }) => [port, port + 10_000]);
    expect(Math.max(...ports)).toBeLessThan(32_768);
    expect(await cluster.askFor('a', 'SET', 'a', '1')).toBe('+OK\r\n');
    await cluster.askFor('a', 'SET', 'a', '2');
    expect(await cluster.connections()).toBe(0);
    const named = `redis://${cluster.nodes.map(({ host, port }) => `${host}:${port}`).join(',')}`;
    expect(await givenCluster(named)?.askFor('GET', 'a')).toBe('$1\r\n2\r\n');
    const { master, replica } = await cluster.pair('a');
    await cluster.killMaster(master);
    await expect(master.ask('PING')).rejects.toThrow('ECONNREFUSED');
    await vi.waitFor(async () => expect(await replica.ask('GET', 'a')).toBe('$1\r\n2\r\n'), 15_000);
    await cluster.restart();
    expect(await cluster.masters()).toContain(replica);
    expect(await cluster.masters()).not.toContain(master);
  } finally {
    await cluster.stop();
  }
});

it('starts all servers of a killed Cluster again with what they had acknowledged', {
  timeout: START,
}, async () => {
  const cluster = await startRedisCluster({ durable: true });
  try {
    await cluster.askFor('a', 'SET', 'a', 'kept');
    await cluster.kill();
    await cluster.restart();
    expect(await cluster.askFor('a', 'GET', 'a')).toBe('$4\r\nkept\r\n');
  } finally {
    await cluster.stop();
  }
});

it('starts a Redis with Sentinel whose master is replaced when it is killed, and comes back as a replica', {
  timeout: START,
}, async () => {
  const sentinel = await startRedisSentinel({ durable: true });
  try {
    const master = await sentinel.master();
    expect(await master.ask('SET', 'a', '1')).toBe('+OK\r\n');
    expect(await sentinel.connections()).toBe(0);
    const named = sentinel.sentinels.map(({ host, port }) => `${host}:${port}`).join(',');
    expect(await givenSentinel(`redis://${named}/${sentinel.group}`)?.ask('GET', 'a')).toBe('$1\r\n1\r\n');
    expect(await sentinel.killMaster()).toBe(master);
    // All of them, or the first one that hears of the old master again goes back to it.
    await vi.waitFor(async () => {
      for (const each of sentinel.sentinels)
        expect(await each.ask('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', sentinel.group)).not.toContain(
          `${master.port}`,
        );
    }, 15_000);
    await sentinel.restart();
    expect(await sentinel.master()).not.toBe(master);
    await sentinel.kill();
    await sentinel.restart();
    expect(await (await sentinel.master()).ask('GET', 'a')).toBe('$1\r\n1\r\n');
  } finally {
    await sentinel.stop();
  }
});

it('says how servers are named in the environment', () => {
  expect(() => givenCluster('localhost')).toThrow(
    'REDIS_CLUSTER_URL is redis://HOST:PORT,HOST:PORT, not localhost',
  );
});
