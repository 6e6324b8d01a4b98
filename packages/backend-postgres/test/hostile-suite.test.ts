import { hostileOn } from '@sessionkit/test-stores/hostile';
import { startPostgres } from '@sessionkit/test-stores/postgres';
import { everyNameChanged } from '@sessionkit/test-stores/sql';
import pg from 'pg';
import { afterAll } from 'vitest';
import { COLUMNS } from '../src/options.js';
import { hostileHarness } from './hostile.js';
import { awkward } from './store.js';
import { connectTo } from './store-harness.js';

const server = await startPostgres();
const admin = new pg.Pool({ connectionString: server.url, max: 1 });
afterAll(async () => {
  await admin.end();
  await server.stop();
}, 300_000);

const addresses = [{ host: '127.0.0.1', port: Number(new URL(server.url).port) }];
const renamed = everyNameChanged(COLUMNS, awkward);

const runs = {
  postgres: hostileHarness(() => connectTo(addresses), admin, {}),
  'postgres, every name changed': hostileHarness(
    () => connectTo(addresses, {}, renamed.section),
    admin,
    renamed.options,
  ),
};

await hostileOn(runs, { later: ['postgres, every name changed'] });
