import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { redis } from '../src/index.js';
import { signal } from './harness.js';
import { ownServer } from './own-server.js';

const own = ownServer();
const NOBODY = 'redis://127.0.0.1:1';
const plain = { autoResendUnfulfilledCommands: false, enableOfflineQueue: false };

const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

function ioredis(url: string): Redis {
  const client = new Redis(url, plain);
  open.push(() => client.disconnect());
  return client;
}

function nodeRedis(url: string) {
  const client = createClient({ url, disableOfflineQueue: true });
  open.push(() => client.destroy());
  return client;
}

describe('a client that was made a moment ago', () => {
  it.each([
    ['ioredis', () => redis(ioredis(own().server.url))],
    [
      'node-redis',
      () => {
        const client = nodeRedis(own().server.url);
        const backend = redis(client);
        void client.connect();
        return backend;
      },
    ],
  ])('of %s is waited for', async (_, make) => {
    expect(await make().now(signal)).toBeGreaterThan(0);
  });
});

describe('a client whose server is away', () => {
  it('of ioredis prints nothing, and the fault says why', async () => {
    const printed = vi.spyOn(console, 'error').mockReturnValue(undefined);
    const backend = redis(ioredis(NOBODY));
    await expect(backend.now(signal)).rejects.toThrow(
      'start: Redis could not be reached: connect ECONNREFUSED 127.0.0.1:1',
    );
    expect(printed).not.toHaveBeenCalled();
    printed.mockRestore();
  });

  it('of node-redis does not end the process, and the fault says why', async () => {
    const client = nodeRedis(NOBODY);
    const backend = redis(client);
    client.connect().catch(() => undefined);
    await expect(backend.now(signal)).rejects.toThrow(
      'start: Redis could not be reached: connect ECONNREFUSED 127.0.0.1:1',
    );
  });

  it('of node-redis that nobody has connected is told apart', async () => {
    const client = createClient({ url: own().server.url, disableOfflineQueue: true });
    await expect(redis(client).now(signal)).rejects.toThrow('the client is not open: call its connect()');
  });

  it('is told of a wrong password, which the fault does not show', async () => {
    const url = new URL(own().server.url);
    url.username = 'nobody';
    url.password = 'not-the-one';
    const fault = await redis(ioredis(url.href))
      .now(signal)
      .catch((error: unknown) => error);
    expect(fault).toMatchObject({ code: 'BACKEND_DOWN', message: expect.stringContaining('WRONGPASS') });
    expect(String(fault)).not.toContain('not-the-one');
  });

  it('no longer says why once the server is back', async () => {
    const client = ioredis(own().server.url);
    const backend = redis(client);
    client.emit('error', new Error('lost'));
    await new Promise((ready) => client.once('ready', ready));
    client.disconnect();
    const fault = await backend.now(signal).catch((error: unknown) => error);
    expect(fault).toMatchObject({ message: 'start: Redis could not be reached' });
  });
});

it('any number of backends is on one client without a warning of node', async () => {
  const client = ioredis(own().server.url);
  for (let n = 0; n < 20; n++) redis(client, { prefix: `many${n}:` });
  expect(client.listenerCount('error')).toBe(1);
});

it.each(['redis://127.0.0.1:6379', undefined, null])(
  'in place of a client %j is refused with how to make one',
  (client) => {
    expect(() => redis(client as unknown as Redis)).toThrow(
      'make one, such as redis(new Redis(url, { autoResendUnfulfilledCommands: false, enableOfflineQueue: false }))',
    );
  },
);
