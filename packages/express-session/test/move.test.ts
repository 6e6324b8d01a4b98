import { print } from '@sessionkit/test-stores/run';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CASES } from './move-cases.js';
import { MUTANTS } from './move-mutants.js';
import { type OldStore, startOldStores } from './move-world.js';

const NAMES = [
  'connect-redis, usual',
  'connect-pg-simple, usual',
  'connect-redis, named',
  'connect-pg-simple, named',
];
const ENTRIES = ['expressSession', 'sessionMiddleware'] as const;

let world: Awaited<ReturnType<typeof startOldStores>>;
const told = { moves: 0, caught: 0 };

beforeAll(async () => {
  world = await startOldStores();
});
afterAll(async () => {
  await world.stop();
  print(
    `express-session: ${told.moves} moves from the real connect-redis and connect-pg-simple logged nobody out; ${told.caught} of ${MUTANTS.length} mutants caught`,
  );
});

function store(name: string): OldStore {
  const found = world.stores.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no old store ${name}`);
  return found;
}

describe.each(NAMES)('from %s', (name) => {
  // Names are the reader's, which does not know of entries.
  describe.each(name.endsWith('usual') ? ENTRIES : ENTRIES.slice(0, 1))('to %s', (entry) => {
    it.each(CASES.map((one) => [one.name, one.run] as const))('%s', async (_, run) => {
      await run(store(name), entry, (legacy) => legacy);
      told.moves++;
    });
  });
});

describe('a mutant is caught', () => {
  it.each(MUTANTS.map((one) => [one.name, one] as const))('%s', async (_, { on, change, caughtBy }) => {
    const caught: string[] = [];
    for (const { name, run } of CASES) {
      if (!caughtBy.some((part) => name.includes(part))) continue;
      await run(store(on), 'expressSession', change).catch(() => caught.push(name));
    }
    expect(caught).toHaveLength(caughtBy.length);
    told.caught++;
  });
});
