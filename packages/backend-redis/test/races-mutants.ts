import type { Backend } from '@sessionkit/session-core';
import type { RaceMutants } from '@sessionkit/test-stores/race-mutants';
import { type Address, altered } from '@sessionkit/testkit';
import { RedisBackend } from '../src/backend.js';
import { connectionOf } from '../src/client.js';
import { checked } from '../src/options.js';
import { Script } from '../src/script.js';
import type { Scripts } from '../src/scripts.js';
import { RedisStore } from '../src/store.js';
import { ioredisClient } from './harness.js';

interface Edit {
  readonly script: keyof Scripts;
  /** What is put in place of what, each of which must be there. */
  readonly put: readonly (readonly [was: string, is: string])[];
}

const NO_RACE = `if old[4] or was[2] + 1 ~= tonumber(ARGV[2]) then return {'no'} end`;

/** The scripts of the adapter with one rule taken out of one of them. */
const MUTANTS = {
  'a save that upserts': {
    script: 'save',
    put: [
      [NO_RACE, `redis.call('DEL', KEYS[1])`],
      [`if ARGV[2] ~= '1' then return {'no'} end`, ''],
    ],
  },
  'a first save that upserts': {
    script: 'save',
    put: [
      [NO_RACE, `if ARGV[2] ~= '1' and (old[4] or was[2] + 1 ~= tonumber(ARGV[2])) then return {'no'} end`],
    ],
  },
  'a save that forgets its write ids': {
    script: 'save',
    put: [[`if write == ARGV[3] then return {'yes', '', ARGV[11], ARGV[10]} end`, '']],
  },
  'a touch that revives': {
    script: 'touch',
    put: [
      [`if old[2] or old[1] ~= ARGV[2 * at]`, `redis.call('HDEL', key, "ended") if old[1] ~= ARGV[2 * at]`],
    ],
  },
  'an entry that revives': {
    script: 'append',
    put: [[`if not old[1] or old[2] then return 0 end`, `redis.call('HDEL', KEYS[1], "ended")`]],
  },
  'a claim that does not see the other claims': {
    script: 'claim',
    put: [[`local waiting = redis.call('HGETALL', KEYS[1])`, 'local waiting = {}']],
  },
} as const satisfies Record<string, Edit>;

type MutantName = keyof typeof MUTANTS;

export const mutants: RaceMutants<MutantName> = {
  names: Object.keys(MUTANTS) as MutantName[],
  upserting: 'a save that upserts',
  make: mutantOf,
};

/** The backend with this rule broken, on a client of its own. */
async function mutantOf(name: MutantName, [at]: readonly Address[]): Promise<Backend> {
  const client = await ioredisClient(`redis://${at?.host}:${at?.port}`);
  const store = new RedisStore(connectionOf(client), checked({ prefix: `${name}:`, log: () => {} }));
  const { script, put }: Edit = MUTANTS[name];
  let { text } = store.scripts[script];
  for (const [was, is] of put) {
    if (!text.includes(was)) throw new Error(`the script ${script} has no ${was}`);
    text = text.replace(was, is);
  }
  Object.assign(store.scripts, { [script]: new Script(text) });
  const backend = new RedisBackend(store);
  return altered(backend, {
    async close() {
      await backend.close();
      client.disconnect();
    },
  });
}
