import { hostileOn } from '@sessionkit/test-stores/hostile';
import { startMariadb } from '@sessionkit/test-stores/mariadb';
import { everyNameChanged } from '@sessionkit/test-stores/sql';
import { createPool } from 'mysql2/promise';
import { afterAll } from 'vitest';
import { COLUMNS } from '../src/options.js';
import { hostileHarness } from './hostile.js';
import { awkward } from './store.js';
import { connectTo } from './store-harness.js';

const server = await startMariadb();
const admin = createPool({ uri: server.url, connectionLimit: 1, multipleStatements: true });
afterAll(async () => {
  await admin.end();
  await server.stop();
}, 300_000);

const addresses = [{ host: '127.0.0.1', port: Number(new URL(server.url).port) }];
const renamed = everyNameChanged(COLUMNS, awkward);

const runs = {
  mariadb: hostileHarness(() => connectTo(addresses), admin, {}),
  'mariadb, every name changed': hostileHarness(
    () => connectTo(addresses, {}, renamed.section),
    admin,
    renamed.options,
  ),
};

await hostileOn(runs, { later: ['mariadb, every name changed'] });
