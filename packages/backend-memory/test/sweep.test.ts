import { PerformanceObserver } from 'node:perf_hooks';
import { testEnvironment } from '@sessionkit/testkit';
import { expect, it } from 'vitest';
import { memory } from '../src/index.js';
import { fill, heapUsed, signal } from './helpers.js';

const LONG = process.env.SESSIONKIT_LONG === '1';
const SESSIONS = LONG ? 1_000_000 : 100_000;
/** On a machine that runs other tests beside this one a step is also what the others take. */
const BOUND = LONG ? 20 : 200;

/** Longest time between two turns of the event loop while `task` runs, in ms, without what the garbage collection took. */
async function longestStep(task: () => Promise<void>): Promise<{ steps: number; longest: number }> {
  const pauses: { from: number; to: number }[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries())
      pauses.push({ from: startTime, to: startTime + duration });
  });
  observer.observe({ entryTypes: ['gc'] });
  const turns = [performance.now()];
  let done = false;
  const running = task().finally(() => {
    done = true;
  });
  while (!done) {
    await new Promise((resolve) => setImmediate(resolve));
    turns.push(performance.now());
  }
  await running;
  await new Promise((resolve) => setTimeout(resolve, 50));
  observer.disconnect();
  let longest = 0;
  for (let n = 1; n < turns.length; n++) {
    const [from = 0, to = 0] = [turns[n - 1], turns[n]];
    const paused = pauses.reduce(
      (sum, pause) => sum + Math.max(0, Math.min(to, pause.to) - Math.max(from, pause.from)),
      0,
    );
    longest = Math.max(longest, to - from - paused);
  }
  return { steps: turns.length, longest };
}

it(
  `no step of a sweep of ${SESSIONS.toLocaleString('en')} expired sessions is longer than ${BOUND} ms`,
  async () => {
    const environment = testEnvironment();
    const backend = memory({ now: () => environment.now(), maxSessions: SESSIONS, maxBytes: 2 ** 40 });
    await fill(backend, environment, SESSIONS, (n) => ({
      user: `user${n}`,
      idle: 60_000 + ((n * 7_919) % 60_000),
    }));
    environment.clock.jump(3_600_000);
    heapUsed();
    let swept = 0;
    const { steps, longest } = await longestStep(async () => {
      swept = (await backend.sweep(environment.now(), SESSIONS + 1, signal)).length;
    });
    console.log(
      `memory: ${swept} expired sessions swept in ${steps} steps, the longest ${longest.toFixed(1)} ms`,
    );
    expect(swept).toBe(SESSIONS);
    expect(await backend.count({}, signal)).toBe(0);
    expect(longest).toBeLessThan(BOUND);
  },
  LONG ? 600_000 : 60_000,
);

it(
  `a creation finds room among ${SESSIONS.toLocaleString('en')} sessions that touches keep alive in steps as short`,
  async () => {
    const environment = testEnvironment();
    const backend = memory({ now: () => environment.now(), maxSessions: SESSIONS, maxBytes: 2 ** 40 });
    const records = await fill(backend, environment, SESSIONS, () => ({ idle: 60_000 }));
    for (let at = 0; at < SESSIONS; at += 500) {
      const batch = records
        .slice(at, at + 500)
        .map(({ id }) => ({ id, epoch: 0, seenAt: environment.now() + 60_000 }));
      await backend.touch(batch, signal);
    }
    const [{ id } = expect.fail(), ...others] = records;
    records.length = 0;
    environment.clock.jump(90_000);
    heapUsed();
    const { longest } = await longestStep(async () => {
      const creation = backend.save(
        { ...(others[0] ?? expect.fail()), id: `${id.slice(0, -1)}_` as typeof id },
        signal,
      );
      await expect(creation).rejects.toMatchObject({ code: 'BACKEND_FULL' });
    });
    console.log(
      `memory: looked through ${SESSIONS} living sessions, the longest step ${longest.toFixed(1)} ms`,
    );
    expect(longest).toBeLessThan(BOUND);
  },
  LONG ? 600_000 : 60_000,
);
