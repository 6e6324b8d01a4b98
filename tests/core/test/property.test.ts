import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { memory } from '@sessionkit/backend-memory';
import {
  type Backend,
  createSessionManager,
  type SessionId,
  type SessionManager,
} from '@sessionkit/session-core';
import { TestClock, testEnvironment } from '@sessionkit/testkit';
import { cookie } from '@sessionkit/transport-cookie';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Answer, Browser, visit, wrap } from './harness.js';
import { sloppyBackend } from './sloppy-backend.js';

const RUNS = process.env.SESSIONKIT_LONG === '1' ? 20_000 : 1_000;

const TIMES = { idleTimeout: 900_000, duration: 36_000_000 };

/** One request of a burst. All of a burst are in flight together, sent with the cookie that the browser held at its start. */
interface Step {
  readonly verb: 'read' | 'count' | 'mark' | 'commit' | 'login' | 'relogin' | 'rotate' | 'logout' | 'kill';
  readonly process: 0 | 1;
  /** The answer does not reach the browser. */
  readonly lost: boolean;
  /** Turns of the event loop before it starts, and before its answer is received. */
  readonly delays: readonly [number, number];
}

const step: fc.Arbitrary<Step> = fc.record({
  verb: fc.constantFrom(
    'read',
    'count',
    'count',
    'mark',
    'mark',
    'commit',
    'commit',
    'login',
    'relogin',
    'rotate',
    'logout',
    'kill',
  ),
  process: fc.constantFrom(0, 1),
  lost: fc.boolean(),
  delays: fc.tuple(fc.nat(6), fc.nat(6)),
});
const story = fc.record({
  bursts: fc.array(fc.array(step, { minLength: 4, maxLength: 7 }), { minLength: 1, maxLength: 3 }),
  pace: fc.array(fc.nat(3), { minLength: 8, maxLength: 8 }),
});
type Story = typeof story extends fc.Arbitrary<infer T> ? T : never;

const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** The store with its answers held up by a varying number of turns, so that calls overtake each other. */
function paced(backend: Backend, pace: readonly number[]): Backend {
  let calls = 0;
  const hold = () => turns(pace[calls++ % pace.length] ?? 0);
  const slow =
    <A extends unknown[], R>(verb: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await hold();
      const answer = await verb.apply(backend, args);
      await hold();
      return answer;
    };
  return wrap(backend, { load: slow(backend.load), save: slow(backend.save), end: slow(backend.end) });
}

/** What clients were told, to be held against what is stored. */
class Ledger {
  readonly counts = new Map<SessionId, number>();
  readonly marks = new Map<SessionId, Set<string>>();
  readonly over = new Set<SessionId>();

  note(id: SessionId, verb: 'count' | 'mark', mark: string): void {
    if (verb === 'count') this.counts.set(id, (this.counts.get(id) ?? 0) + 1);
    else this.marks.set(id, (this.marks.get(id) ?? new Set()).add(mark));
  }
}

class Play {
  readonly ledger = new Ledger();
  readonly clock = new TestClock();
  readonly #managers: readonly SessionManager[];
  readonly #backend: Backend;
  #marks = 0;

  constructor(make: (now: () => number) => Backend, pace: readonly number[]) {
    this.#backend = make(() => this.clock.now());
    const shared = paced(this.#backend, pace);
    this.#managers = [0, 1].map(() =>
      createSessionManager({ environment: testEnvironment({ clock: this.clock }) }),
    );
    for (const manager of this.#managers) {
      manager.service('shop', { backend: shared, transports: [cookie()], autoCreate: true, ...TIMES });
    }
  }

  async run({ bursts }: Story): Promise<void> {
    const browser = new Browser(this.#service(0));
    for (const burst of bursts) {
      // A cookie to begin with: two first visits without one are two clients.
      if ((await browser.visit()).status !== 200) await browser.visit();
      // Known to both processes, so that no answer of the burst renews a cookie: see the rotation below.
      for (const manager of this.#managers) await manager.flush();
      await this.#burst(browser, burst);
      await this.#check();
      // Long enough for superseded secrets to be dead, and for the next visit to renew the cookie.
      await this.clock.advance(TIMES.idleTimeout / 9);
    }
    for (const manager of this.#managers) await manager.close();
  }

  #service(index: 0 | 1) {
    const service = this.#managers[index]?.services.get('shop');
    if (service === undefined) throw new Error('no service');
    return service;
  }

  async #burst(browser: Browser, burst: readonly Step[]): Promise<void> {
    const { cookie: sent } = browser;
    const mayLogIn = burst.some(({ verb }) => verb === 'login' || verb === 'relogin');
    let loginsReceived = 0;
    let endings = 0;
    let loginsLost = 0;
    const users = new Set<string>();
    await Promise.all(
      burst.map(async (each) => {
        await turns(each.delays[0]);
        const answer = await this.#send(sent, each, mayLogIn);
        if (each.verb === 'logout' || each.verb === 'kill') endings++;
        await turns(each.delays[1]);
        const login = each.verb === 'login' || each.verb === 'relogin';
        if (login && answer.status === 200) {
          users.add(each.verb === 'login' ? 'ann' : 'bob');
          if (each.lost) loginsLost++;
          else loginsReceived++;
        }
        if (!each.lost) browser.receive(answer.fields);
      }),
    );
    // What network and browser make of two answers that both hand out a token is out of our hands.
    if (endings > 0 || burst.some(({ verb }) => verb === 'rotate')) return;
    if (loginsReceived > 0 && loginsLost === 0 && users.size === 1) {
      const after = await browser.visit();
      expect([after.status, after.visit.session.user], 'the cookie of a login was overwritten').toEqual([
        200,
        [...users][0],
      ]);
    } else if (loginsLost > 0 && loginsReceived === 0) {
      const again = await browser.visit((session) => session.login('ann'));
      expect(again.status, 'a client whose login answer was lost can not log in again').toBe(200);
      expect((await browser.visit()).visit.session.user, 'and is not logged in').toBe('ann');
    }
  }

  async #send(sent: string, each: Step, mayLogIn: boolean): Promise<Answer> {
    const mark = `m${this.#marks++}`;
    const { ledger } = this;
    let id: SessionId | undefined;
    const endedBefore = new Set(ledger.over);
    const answer = await visit(
      this.#service(each.process),
      { headers: { cookie: sent } },
      async (session) => {
        id = session.id;
        if (id !== undefined) expect(endedBefore.has(id), 'an ended session was opened').toBe(false);
        if (each.verb === 'count') session.update<number>('n', (n = 0) => n + 1);
        if (each.verb === 'mark') session.set(mark, true);
        if (each.verb === 'commit') {
          const { user } = session;
          session.set(mark, true);
          await session.commit();
          await turns(each.delays[1]);
          session.set(mark, true);
          expect([session.id, session.user], 'a visit became another user').toEqual([id, user]);
        }
        if (each.verb === 'rotate') await session.rotate();
        if (each.verb === 'login') await session.login('ann');
        if (each.verb === 'relogin') await session.login('bob');
        if (each.verb === 'logout') await session.logout();
        if (each.verb === 'kill' && id !== undefined) {
          await this.#managers[each.process]?.end(id, { name: 'operator' });
        }
      },
    );
    if (answer.status !== 200 || id === undefined) return answer;
    if (each.verb === 'count') ledger.note(id, 'count', mark);
    if (each.verb === 'mark' || each.verb === 'commit') ledger.note(id, 'mark', mark);
    if (each.verb === 'kill' && !answer.visit.session.isNew) ledger.over.add(id);
    // A logout does not end the session of somebody who logged into it meanwhile.
    if (each.verb === 'logout' && !mayLogIn) ledger.over.add(id);
    return answer;
  }

  /** Everything that was acknowledged is there; everything that was ended stays so. */
  async #check(): Promise<void> {
    const { signal } = new AbortController();
    const ids = [
      ...new Set([...this.ledger.counts.keys(), ...this.ledger.marks.keys(), ...this.ledger.over]),
    ];
    const records = await this.#backend.load(ids, signal);
    for (const [i, id] of ids.entries()) {
      const record = records[i];
      if (record instanceof Error) throw record;
      if (this.ledger.over.has(id)) {
        expect(
          record?.ended ?? (record === undefined ? 'gone' : undefined),
          'an ended session lives',
        ).toBeDefined();
      }
      if (record === undefined || record.ended !== undefined) continue;
      const data = JSON.parse(record.data) as Record<string, unknown>;
      expect(Number(data.n ?? 0), 'an increment was lost').toBeGreaterThanOrEqual(
        this.ledger.counts.get(id) ?? 0,
      );
      for (const mark of this.ledger.marks.get(id) ?? [])
        expect(data, 'an acknowledged key was lost').toHaveProperty(mark);
    }
  }
}

const property = (make: (now: () => number) => Backend) =>
  fc.asyncProperty(story, (told) => new Play(make, told.pace).run(told));

const explain = <Told>(details: fc.RunDetails<Told>) =>
  `${String((details.errorInstance as Error | null)?.stack)}\n${fc.defaultReportMessage(details)}`;

const report = (line: string) => {
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder !== undefined) appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
};

test('no interleaving loses an update, revives a session, overwrites a login or locks a client out', {
  timeout: 600_000,
}, async () => {
  const details = await fc.check(
    property((now) => memory({ now })),
    { numRuns: RUNS },
  );
  expect(details.failed, explain(details)).toBe(false);
  expect(details.numRuns).toBeGreaterThanOrEqual(1_000);
  report(
    `property: ${details.numRuns} runs of 4 to 7 visits in flight, ${details.failed ? 1 : 0} counterexamples`,
  );
});

test('the strict small store passes too, so that its mutants are caught for their mistake alone', async () => {
  const details = await fc.check(
    property((now) => sloppyBackend('strict', now)),
    { numRuns: 200 },
  );
  expect(details.failed, explain(details)).toBe(false);
});

test.each(['upsert', 'last-write-wins'] as const)(
  'a store that does %s is caught',
  { timeout: 120_000 },
  async (kind) => {
    const details = await fc.check(
      property((now) => sloppyBackend(kind, now)),
      { numRuns: 1_000, endOnFailure: true },
    );
    expect(details.failed).toBe(true);
    report(`property: ${kind} caught after ${details.numRuns} runs`);
  },
);
