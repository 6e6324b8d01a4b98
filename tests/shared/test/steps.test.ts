import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { mysql } from '@sessionkit/backend-mysql';
import { postgres } from '@sessionkit/backend-postgres';
import { redis } from '@sessionkit/backend-redis';
import { startMariadb } from '@sessionkit/test-stores/mariadb';
import { startPostgres } from '@sessionkit/test-stores/postgres';
import { buildProgram, type Program } from '@sessionkit/test-stores/program';
import { startRedis } from '@sessionkit/test-stores/redis';
import { startRedisCluster } from '@sessionkit/test-stores/redis-cluster';
import { LONG, print } from '@sessionkit/test-stores/run';
import { testEnvironment } from '@sessionkit/testkit';
import { type Cluster, Redis } from 'ioredis';
import { createPool, type Pool, type RowDataPacket } from 'mysql2/promise';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { killAtEveryStep, line, type Outcome, type Subject } from './steps.js';
import { calling, clusterOf } from './steps-cluster.js';

const environment = testEnvironment({ start: Date.now(), random: 'real' });
const TIMEOUT = 300_000;
/** Keys with leases of their own. */
const LEASED = /:(?:places:.*|process:.*|processes)$/;
let program: Program;

beforeAll(async () => {
  program = await buildProgram(join(import.meta.dirname, 'steps-process.ts'));
});
afterAll(() => program.remove());

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
      together: 2,
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
        return keys.filter((key) => !LEASED.test(key));
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
    print(line('redis', outcome));
    expect(outcome.broken).toEqual([]);
    expect(outcome.kills).toBe(outcome.steps);
  });

  it('leaves sessions that no list finds, if entries came after what they stand for: the rules can be broken', {
    timeout: TIMEOUT,
  }, async () => {
    const order = { ...subject.order, reversed: true };
    const names = ['create, with a user', 'end of 1'];
    const outcome = await killAtEveryStep({ ...subject, order }, names);
    print(line('  with the opposite order (a mutant)', outcome));
    expect([...new Set(outcome.broken.map((text) => text.replace(/, \d+ steps.*/s, '')))].sort()).toEqual(
      names,
    );
  });
});

describe('a process that is killed at any command to a Redis Cluster', () => {
  let client: Cluster;
  let stop: () => Promise<void>;
  let subject: Subject;
  let places = 0;

  beforeAll(async () => {
    const server = await startRedisCluster({ replicas: 0 });
    stop = () => server.stop();
    const url = server.nodes.map(({ host, port }) => `${host}:${port}`).join(',');
    client = await clusterOf(url);
    subject = {
      order: { store: 'cluster', url },
      together: 2,
      environment,
      program,
      async open() {
        const place = `steps${places++}:`;
        return { place, store: redis(client, { prefix: place }) };
      },
      later: (place) => redis(calling(client, aMinuteLate(client)), { prefix: place }),
      settle: async (place) => {
        await client.del(`${place}sweeper`);
      },
      async remains(place) {
        const keys = await Promise.all(client.nodes('master').map((node) => node.keys(`${place}*`)));
        return keys.flat().filter((key) => !LEASED.test(key));
      },
    };
  }, TIMEOUT);
  afterAll(async () => {
    client.disconnect();
    await stop();
  });

  it.each([
    ['those that were sent first', false],
    ['those that were sent last', true],
  ])(
    'leaves nothing unlisted, whichever of its commands arrived: %s',
    {
      timeout: TIMEOUT,
    },
    async (_, reversed) => {
      const order = { ...subject.order, reversed };
      const names = LONG ? undefined : reversed ? ['create, with a user', 'end of 1'] : ['change of user'];
      const outcome = await killAtEveryStep({ ...subject, order }, names);
      print(line(`redis cluster, ${reversed ? 'last' : 'first'} commands arrived`, outcome));
      expect(outcome.broken).toEqual([]);
      expect(outcome.kills).toBe(outcome.steps);
    },
  );
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
      together: 1,
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
      const names = LONG ? undefined : ['create, with a user', 'change of user', 'end of 3', 'sweep'];
      const outcome: Outcome = await killAtEveryStep(
        { ...subject, order: { ...subject.order, inFlight } },
        names,
      );
      print(line(inFlight ? 'postgres, killed under way' : 'postgres', outcome));
      expect(outcome.broken).toEqual([]);
      expect(outcome.steps).toBe(outcome.verbs + (inFlight ? outcome.verbs : 0));
    },
  );
});

describe('a process that is killed at any statement to MariaDB', () => {
  let pool: Pool;
  let stop: () => Promise<void>;
  let subject: Subject;

  beforeAll(async () => {
    const server = await startMariadb();
    stop = () => server.stop();
    pool = createPool({ uri: server.url, connectionLimit: 3, multipleStatements: true });
    // By this user the process is known among the connections of the server.
    await pool.query(`create user steps@'127.0.0.1'; grant all on sessionkit.* to steps@'127.0.0.1'`);
    const store = mysql(pool, { table: 'steps', createTable: true });
    await store.check();
    subject = {
      order: { store: 'mysql', url: server.url.replace('root', 'steps') },
      together: 1,
      environment,
      program,
      async open() {
        await pool.query('delete from steps; delete from steps_claims; delete from steps_presence');
        return { place: 'steps', store };
      },
      later: () => store,
      // What it had begun is undone when the server has seen that it is gone.
      settle: async () => {
        const there = `select count(*) as n from information_schema.processlist where user = 'steps'`;
        while ((await pool.query<RowDataPacket[]>(there))[0][0]?.n > 0) await pause(2);
      },
      async remains() {
        const all = 'select sid from steps union all select sid from steps_journal';
        const [rows] = await pool.query<RowDataPacket[]>(all);
        return rows.map(({ sid }) => String(sid));
      },
    };
  }, TIMEOUT);
  afterAll(async () => {
    await pool.end();
    await stop();
  });

  /** Of those of several statements. */
  const SOME = ['claim', 'announce'];

  it('leaves nothing half done, between the statements of a verb neither', { timeout: TIMEOUT }, async () => {
    const outcome = await killAtEveryStep(subject, LONG ? undefined : SOME);
    print(line('mariadb', outcome));
    expect(outcome.broken).toEqual([]);
    expect(outcome.kills).toBe(outcome.steps);
  });

  it('leaves a process without its links, if those that go went first: the rules can be broken', {
    timeout: TIMEOUT,
  }, async () => {
    const order = { ...subject.order, reversed: true };
    const outcome = await killAtEveryStep({ ...subject, order }, ['announce']);
    print(line('  with the opposite order (a mutant)', outcome));
    expect(outcome.broken.map((text) => text.replace(/:.*/s, ''))).toEqual(['announce, 1 steps']);
  });
});

/** The client of a backend whose store is 61 s further on. */
function aMinuteAfter(client: Redis) {
  return {
    options: client.options,
    status: client.status,
    on: () => undefined,
    off: () => undefined,
    duplicate: (override: object) => client.duplicate(override),
    pipeline: (commands: unknown[][]) => client.pipeline(commands),
    call: aMinuteLate(client),
  };
}

function aMinuteLate(client: Redis | Cluster) {
  return async (name: string, args: string[]) => {
    const answer = await client.call(name, args);
    if (name !== 'TIME') return answer;
    const [seconds, micros] = answer as [string, string];
    return [`${Number(seconds) + 61}`, micros];
  };
}
