import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { postgres } from '@sessionkit/backend-postgres';
import { redis } from '@sessionkit/backend-redis';
import { startPostgres } from '@sessionkit/test-stores/postgres';
import { buildProgram, type Program } from '@sessionkit/test-stores/program';
import { startRedis } from '@sessionkit/test-stores/redis';
import { testEnvironment } from '@sessionkit/testkit';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { killAtEveryStep, line, type Outcome, type Subject } from './steps.js';

const environment = testEnvironment({ start: Date.now(), random: 'real' });
const TIMEOUT = 300_000;
let program: Program;

beforeAll(async () => {
  program = await buildProgram(join(import.meta.dirname, 'steps-process.ts'));
});
afterAll(() => program.remove());

function report(text: string): void {
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder === undefined) console.log(text);
  else appendFileSync(join(folder, 'summary.txt'), `${text}\n`);
}

describe('a process that is killed at any command to Redis', () => {
  let client: Redis;
  let stop: () => Promise<void>;
  let subject: Subject;
  let places = 0;

  beforeAll(async () => {
    const server = await startRedis({ args: [] });
    stop = () => server.stop();
    client = new Redis(server.url, {
      autoResendUnfulfilledCommands: false,
      enableOfflineQueue: false,
      lazyConnect: true,
    });
    await client.connect();
    subject = {
      order: { store: 'redis', url: server.url },
      environment,
      program,
      async open() {
        const place = `steps${places++}:`;
        return { place, store: redis(client, { prefix: place }) };
      },
      later: (place) => redis(aMinuteAfter(client), { prefix: place }),
      settle: async (place) => {
        await client.del(`${place}sweeper`);
      },
      async remains(place) {
        const keys = await client.keys(`${place}*`);
        // These have leases of their own.
        return keys.filter((key) => !/:(?:places:.*|process:.*|processes)$/.test(key));
      },
    };
  }, TIMEOUT);
  afterAll(async () => {
    client.disconnect();
    await stop();
  });

  it('leaves no session unlisted, none alive that was ended, and nothing for ever', {
    timeout: TIMEOUT,
  }, async () => {
    const outcome = await killAtEveryStep(subject);
    report(line('redis', outcome));
    expect(outcome.broken).toEqual([]);
    expect(outcome.kills).toBe(outcome.steps);
  });

  it('leaves sessions that no list finds, if entries came after what they stand for: the rules can be broken', {
    timeout: TIMEOUT,
  }, async () => {
    const order = { ...subject.order, reversed: true };
    const names = ['create, with a user', 'login', 'end of 1'];
    const outcome = await killAtEveryStep({ ...subject, order }, names);
    report(line('  with the opposite order (a mutant)', outcome));
    expect([...new Set(outcome.broken.map((text) => text.replace(/, \d+ steps.*/s, '')))]).toEqual(names);
  });
});

describe('a process that is killed at any statement to PostgreSQL', () => {
  let pool: pg.Pool;
  let stop: () => Promise<void>;
  let subject: Subject;

  beforeAll(async () => {
    const server = await startPostgres();
    stop = () => server.stop();
    pool = new pg.Pool({ connectionString: server.url, max: 3 });
    const store = postgres(pool, { table: 'steps', createTable: true });
    await store.check();
    subject = {
      order: { store: 'postgres', url: server.url },
      environment,
      program,
      async open() {
        await pool.query('truncate steps, steps_journal, steps_claims, steps_presence');
        return { place: 'steps', store };
      },
      later: () => store,
      settle: async () => {
        const active = `select count(*)::int as n from pg_stat_activity where application_name = 'steps'`;
        while ((await pool.query(active)).rows[0].n > 0) await pause(2);
      },
      async remains() {
        const { rows } = await pool.query('select sid from steps union all select sid from steps_journal');
        return rows.map(({ sid }) => String(sid));
      },
    };
  }, TIMEOUT);
  afterAll(async () => {
    await pool.end();
    await stop();
  });

  it.each([
    ['before it or after its answer', false],
    ['while it is under way', true],
  ])(
    '%s, leaves a verb done or not done: each is one statement',
    { timeout: TIMEOUT },
    async (_, inFlight) => {
      const outcome: Outcome = await killAtEveryStep({ ...subject, order: { ...subject.order, inFlight } });
      report(line(inFlight ? 'postgres, killed under way' : 'postgres', outcome));
      expect(outcome.broken).toEqual([]);
      expect(outcome.steps).toBe(outcome.verbs + (inFlight ? outcome.verbs : 0));
    },
  );
});

/** The client of a backend whose store is 61 s further on. */
function aMinuteAfter(client: Redis) {
  return {
    options: client.options,
    duplicate: (override: object) => client.duplicate(override),
    pipeline: (commands: unknown[][]) => client.pipeline(commands),
    async call(name: string, args: string[]) {
      const answer = await client.call(name, args);
      if (name !== 'TIME') return answer;
      const [seconds, micros] = answer as [string, string];
      return [`${Number(seconds) + 61}`, micros];
    },
  };
}
