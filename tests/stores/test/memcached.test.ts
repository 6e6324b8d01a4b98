import { expect, it } from 'vitest';
import { startMemcached } from '../src/memcached.js';

it('starts a memcached that answers, counts its commands, forgets all when it is killed, and is gone when it is stopped', {
  timeout: 120_000,
}, async () => {
  const memcached = await startMemcached({ own: true });
  expect(await memcached.ask('set a 0 0 1', 'x')).toBe('STORED\r\n');
  expect(await memcached.ask('get a')).toBe('VALUE a 0 1\r\nx\r\nEND\r\n');
  expect(await memcached.keys()).toMatch(/^key=a exp=-1 .*\nEND\r\n$/s);
  expect(await memcached.stats()).toMatchObject({ cmd_set: '1', get_hits: '1', curr_connections: '1' });
  await memcached.server?.kill();
  await expect(memcached.ask('get a')).rejects.toThrow('ECONNREFUSED');
  await memcached.server?.start();
  expect(await memcached.ask('get a')).toBe('END\r\n');
  await memcached.stop();
  await expect(memcached.ask('get a')).rejects.toThrow('ECONNREFUSED');
});
