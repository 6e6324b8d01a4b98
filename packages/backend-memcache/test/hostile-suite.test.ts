import { hostileOn } from '@sessionkit/test-stores/hostile';
import { startMemcached } from '@sessionkit/test-stores/memcached';
import { LONG } from '@sessionkit/test-stores/run';
import { afterAll } from 'vitest';
import { SMALL_TABLE } from './harness.js';
import { hostileHarness, ODD_NAMES } from './hostile.js';
import { connectTo } from './store-harness.js';

const server = await startMemcached({ args: SMALL_TABLE });
afterAll(() => server.stop(), 300_000);

const place = {
  server,
  open: (options: object) => connectTo([{ host: server.host, port: server.port }], {}, options),
};
const runs = {
  // A list costs a dump of all keys, and each damage some ten lists: usually not every one is tried.
  memcached: hostileHarness(place, { each: LONG ? 1 : 2 }),
  'memcached, every name changed': hostileHarness(place, {
    names: ODD_NAMES,
    start: 'other*[a-z]?"prefix"%20{}',
    each: LONG ? 1 : 5,
  }),
};

await hostileOn(runs, { later: ['memcached, every name changed'] });
