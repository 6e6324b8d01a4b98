import { can } from '@sessionkit/session-core';
import { type MemcachedServer, startMemcached } from '@sessionkit/test-stores/memcached';
import { due } from '@sessionkit/test-stores/run';
import { type BackendHarness, backendCases, backendSuite, runBackendCase } from '@sessionkit/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inCode, memcacheHarness, SMALL_TABLE, withModule } from './harness.js';
import { ODD_NAMES } from './hostile.js';

const ABILITIES = ['inspect', 'journal', 'presence'] as const;

let servers: MemcachedServer[];
beforeAll(async () => {
  servers = await Promise.all([
    startMemcached({ args: SMALL_TABLE }),
    startMemcached({ args: SMALL_TABLE }),
    startMemcached({ args: SMALL_TABLE }),
  ]);
}, 300_000);
afterAll(() => Promise.all(servers.map((server) => server.stop())));
const one = () => servers.slice(0, 1);
const three = () => servers;

const options = { names: ODD_NAMES, prefix: 'other*[a-z]?"prefix"%20{}' };

const ways: Record<string, BackendHarness> = {
  'in code': memcacheHarness(one, inCode),
  'from a configuration': memcacheHarness(one, withModule),
  'with every name changed': memcacheHarness(one, inCode, options),
  'from a configuration with every name changed': memcacheHarness(one, withModule, options),
  'from a configuration with three servers': memcacheHarness(three, withModule),
};

/** Those that are for no ability that memcached has not. */
const cases = backendCases.filter(
  ({ ability }) => ability === undefined || (ABILITIES as readonly string[]).includes(ability),
);

/** Run by `npm run test:long` only: they stand between the others. */
const LATER = ['from a configuration', 'with every name changed'];

describe.each(due(ways, LATER))('the memcache backend %s keeps the contract of a backend', (_, harness) => {
  it('lists, keeps journals and presence, and has no other ability', async () => {
    const { a, close } = await harness.open();
    expect(ABILITIES.every((ability) => can(a, ability))).toBe(true);
    await close();
    const applicable = cases.filter(
      ({ applies, name }) => applies === undefined || /cannot be understood/.test(name),
    );
    expect((await backendSuite(harness)).length).toBe(applicable.length);
  });

  for (const one of cases) it(one.name, () => runBackendCase(one, harness), 30_000);
});
