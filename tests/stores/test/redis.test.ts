import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { find } from '../src/launch.js';
import { nextMessage, startProgram } from '../src/program.js';
import { startRedis } from '../src/redis.js';

const START = 120_000;

it('starts a Redis that answers, counts its commands and is gone when it is stopped', {
  timeout: START,
}, async () => {
  const redis = await startRedis({ args: [] });
  expect(await redis.ask('SET', 'a', '1')).toBe('+OK\r\n');
  expect(await redis.ask('GET', 'a')).toBe('$1\r\n1\r\n');
  expect(await redis.calls()).toMatchObject({ set: 1, get: 1 });
  await redis.stop();
  await expect(redis.ask('PING')).rejects.toThrow('ECONNREFUSED');
});

it('starts a killed one again with what it had acknowledged', { timeout: START }, async () => {
  const redis = await startRedis({ durable: true });
  await redis.ask('SET', 'a', 'kept');
  await redis.server?.kill();
  await expect(redis.ask('PING')).rejects.toThrow('ECONNREFUSED');
  await redis.server?.start();
  expect(await redis.ask('GET', 'a')).toBe('$4\r\nkept\r\n');
  await redis.stop();
});

it('leaves no server behind when the process that started it is killed', { timeout: START }, async () => {
  const child = await startProgram(join(import.meta.dirname, 'dying.ts'));
  const pid = Number(await nextMessage(child));
  expect(pid).toBeGreaterThan(1);
  await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), 5_000);
});

it('says in one line what to do about a program that is missing', async () => {
  const user = vi.spyOn(process, 'getuid').mockReturnValue(1000);
  const missing = { name: 'no-such-server', debian: 'no-such-package', variable: 'NO_URL' };
  await expect(find(missing)).rejects.toThrow(
    'Fix on Debian: sudo apt-get install -y --no-install-recommends no-such-package   on macOS: brew install no-such-package   (or set NO_URL)',
  );
  await expect(find({ ...missing, macos: 'such-formula' })).rejects.toThrow('brew install such-formula ');
  user.mockRestore();
});

it('a store that cannot be had fails the test that wants it, with the lines that bring it', async () => {
  const user = vi.spyOn(process, 'getuid').mockReturnValue(1000);
  vi.stubEnv('PATH', '/nowhere');
  vi.stubEnv('REDIS_URL', undefined);
  await expect(startRedis()).rejects.toThrow(
    'redis-server is not on this machine. Fix on Debian: sudo apt-get install -y --no-install-recommends redis-server   on macOS: brew install redis   (or set REDIS_URL)',
  );
  vi.unstubAllEnvs();
  user.mockRestore();
});
