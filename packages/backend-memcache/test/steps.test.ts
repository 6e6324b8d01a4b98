import { SessionError, type SessionRecord } from '@sessionkit/session-core';
import { print } from '@sessionkit/test-stores/run';
import { makeRecord, nextRecord } from '@sessionkit/testkit';
import { expect, it } from 'vitest';
import { MemcacheBackend } from '../src/backend.js';
import { encode } from '../src/codec.js';
import { type MemcacheClient, memcache } from '../src/index.js';
import { checked } from '../src/options.js';
import { storing } from '../src/server.js';
import { MemcacheStore } from '../src/store.js';
import { clientOf, ownServer, SMALL_TABLE, signal } from './harness.js';

const own = ownServer(SMALL_TABLE);
const PREFIX = 'steps:';
const TTL = 3_600;

/** A client of a process that is killed after so many commands: what comes then is never sent. */
function dying(steps: number): MemcacheClient & { shutdown(): void } {
  const client = clientOf(own().server, 1);
  let left = steps;
  return {
    options: client.options,
    send: (write) => {
      left -= 1;
      return left < 0 ? Promise.reject(new Error('killed')) : client.send(write);
    },
    shutdown: () => client.shutdown(),
  };
}

/** One call, and what has to hold however far it came. */
interface Trial {
  readonly ids: readonly SessionRecord['id'][];
  /** Whether its sessions were there before, and so must be after. */
  readonly there: boolean;
  run(backend: MemcacheBackend): Promise<unknown>;
  /** Once it was called again and answered, by a process that lives. */
  holds(backend: MemcacheBackend): Promise<void>;
}

const how = () =>
  ({ at: Date.now(), cause: 'logout', by: undefined, keepUntil: Date.now() + 60_000 }) as const;

async function stored(
  backend: MemcacheBackend,
  members: Partial<SessionRecord> = {},
): Promise<SessionRecord> {
  const record = makeRecord(own().environment, members);
  expect(await backend.save(record, signal)).toBe(true);
  return record;
}

const verbs: Record<string, (sound: MemcacheBackend) => Promise<Trial>> = {
  async create() {
    const record = makeRecord(own().environment, { user: 'ann' });
    return {
      ids: [record.id],
      there: false,
      run: (backend) => backend.save(record, signal),
      holds: async (sound) => expect(await sound.load([record.id], signal)).toEqual([record]),
    };
  },
  async 'a login that moves the end'(sound) {
    const record = await stored(sound);
    const next = nextRecord(own().environment, record, {
      user: 'ann',
      epoch: 1,
      endsAt: record.endsAt + 60_000,
    });
    return {
      ids: [record.id],
      there: true,
      run: (backend) => backend.save(next, signal),
      holds: async (sound) => expect(await sound.load([record.id], signal)).toEqual([next]),
    };
  },
  async 'touch of 2'(sound) {
    const ids = [(await stored(sound)).id, (await stored(sound)).id];
    const seenAt = Date.now() + 5_000;
    return {
      ids,
      there: true,
      run: (backend) =>
        backend.touch(
          ids.map((id) => ({ id, epoch: 0, seenAt })),
          signal,
        ),
      holds: async (sound) => expect(await sound.load(ids, signal)).toMatchObject([{ seenAt }, { seenAt }]),
    };
  },
  async 'end of 2'(sound) {
    const ids = [(await stored(sound)).id, (await stored(sound)).id];
    const ended = { cause: 'logout' };
    return {
      ids,
      there: true,
      run: (backend) => backend.end(ids, how(), signal),
      holds: async (sound) => expect(await sound.load(ids, signal)).toMatchObject([{ ended }, { ended }]),
    };
  },
  async 'append to 2'(sound) {
    const ids = [(await stored(sound)).id, (await stored(sound)).id];
    const entries = ids.map((id) => ({ id, at: 1, kind: 'log', text: 'once' }) as const);
    return {
      ids,
      there: true,
      run: (backend) => backend.append({ batchId: ids.join(), entries }, signal),
      holds: async (sound) => expect(await sound.read(ids, signal)).toEqual(entries.map((entry) => [entry])),
    };
  },
  async 'announce in several values'(sound) {
    const { id } = await stored(sound);
    const process = `process of ${id}`;
    const link = (since: number) => ({ id, process, since, detail: { text: 'x'.repeat(300_000) } });
    const [before, after] = [
      [link(1), link(2)],
      [link(3), link(4), link(5)],
    ];
    await sound.announce(process, before, 60_000, signal);
    return {
      ids: [id],
      there: true,
      async run(backend) {
        await backend.announce(process, after, 60_000, signal);
      },
      async holds(sound) {
        expect(await sound.present([id], signal)).toEqual(after);
      },
    };
  },
};

/** Calls it with ever more commands until it is answered; what a killed process left is looked at from another one. */
async function everyStep(
  prepare: (sound: MemcacheBackend) => Promise<Trial>,
  around: (client: MemcacheClient) => MemcacheBackend,
): Promise<{ steps: number; broken: string[] }> {
  const sound = own().backend({ prefix: PREFIX });
  const broken: string[] = [];
  for (let steps = 0; ; steps++) {
    const trial = await prepare(sound);
    const client = dying(steps);
    const done = await trial.run(around(client)).then(
      () => true,
      (error: unknown) => {
        if (!(error instanceof SessionError)) throw error;
        return false;
      },
    );
    client.shutdown();
    try {
      const found = await sound.load(trial.ids, signal);
      const { items } = await sound.list({ limit: 100_000 }, signal);
      const listed = new Set(items.map(({ id }) => id));
      for (const [at, id] of trial.ids.entries()) {
        expect(found[at]).not.toBeInstanceOf(Error);
        expect(listed.has(id), 'it is listed where it is there').toBe(found[at] !== undefined);
        if (trial.there) expect(found[at], 'it is gone').toBeDefined();
      }
      // Nobody was told: it is done again, and counts once.
      await trial.run(sound);
      await trial.holds(sound);
    } catch (error) {
      broken.push(`${steps} steps: ${(error as Error).message}`);
    }
    if (done) return { steps, broken };
  }
}

it('a process that is killed at any command leaves each session whole, listed, and ended where it was; whoever does it again does it once', async () => {
  let all = 0;
  for (const [name, prepare] of Object.entries(verbs)) {
    const { steps, broken } = await everyStep(prepare, (client) => memcache(client, { prefix: PREFIX }));
    expect(broken, name).toEqual([]);
    all += steps;
  }
  print(`memcached: ${all} steps of ${Object.keys(verbs).length} verbs, ${all} kills, 0 broken`);
  expect(all).toBeGreaterThan(15);
}, 60_000);

it('an end that takes a session away and puts it back is caught', async () => {
  const removing = (client: MemcacheClient) => {
    const store = new MemcacheStore([client], checked({ prefix: PREFIX }));
    const backend = new MemcacheBackend(store);
    return Object.assign(backend, {
      async end(ids: readonly SessionRecord['id'][]) {
        for (const id of ids) {
          const server = store.serverOf(id);
          const [found] = await backend.load([id], signal);
          if (found === undefined || found instanceof SessionError) continue;
          const { at, cause, by } = how();
          const value = encode({ ...found, ended: { at, cause, by }, data: '{}' }, store.options.names, 1e6);
          await server.change([`delete ${store.record(id)}\r\n`], signal);
          await server.change([storing('add', store.record(id), value, TTL)], signal);
        }
        return ids;
      },
    });
  };
  const prepare = verbs['end of 2'] ?? expect.fail();
  const { broken } = await everyStep(prepare, removing);
  expect(broken.length).toBeGreaterThan(0);
  for (const text of broken) expect(text).toContain('it is gone');
}, 60_000);
