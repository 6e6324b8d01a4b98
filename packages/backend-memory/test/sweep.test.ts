import { readFileSync } from 'node:fs';
import { type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { makeRecord, testEnvironment } from '@sessionkit/testkit';
import { expect, it } from 'vitest';
import { memory } from '../src/index.js';
import { fill, signal } from './helpers.js';
import { heapUsed } from './measures.js';

const LONG = process.env.SESSIONKIT_LONG === '1';
const SESSIONS = LONG ? 1_000_000 : 100_000;
/** The slack is for machines whose processors are shared in ways that the system does not tell of. */
const BOUND = LONG ? 20 : 200;

/** Time that this thread has had a processor, in ms; of the whole process where the system does not tell. */
function processorTime(): number {
  try {
    const [nanoseconds = ''] = readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ');
    return Number(nanoseconds) / 1e6;
  } catch {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  }
}

/**
 * Longest time between two turns of the event loop while `task` runs, in ms, without the garbage collection and without the time in
 * which other programs had the processor.
 */
async function longestStep(task: () => Promise<void>): Promise<{ steps: number; longest: number }> {
  const collections: PerformanceEntry[] = [];
  const observer = new PerformanceObserver((list) => {
    collections.push(...list.getEntries());
  });
  observer.observe({ entryTypes: ['gc'] });
  const turns = [{ at: performance.now(), used: processorTime() }];
  let done = false;
  const running = task().finally(() => {
    done = true;
  });
  while (!done) {
    await new Promise((resolve) => setImmediate(resolve));
    turns.push({ at: performance.now(), used: processorTime() });
  }
  await running;
  await new Promise((resolve) => setTimeout(resolve, 50));
  observer.disconnect();
  let longest = 0;
  let next = 0;
  for (let n = 1; n < turns.length; n++) {
    const [from, to] = [turns[n - 1] ?? expect.fail(), turns[n] ?? expect.fail()];
    let collecting = 0;
    for (let each = collections[next]; each && each.startTime < to.at; each = collections[++next])
      collecting += each.duration;
    longest = Math.max(longest, Math.min(to.at - from.at, to.used - from.used) - collecting);
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
    environment.clock.jump(90_000);
    heapUsed();
    const { longest } = await longestStep(async () => {
      await expect(backend.save(makeRecord(environment), signal)).rejects.toMatchObject({
        code: 'BACKEND_FULL',
      });
    });
    console.log(
      `memory: looked through ${SESSIONS} living sessions, the longest step ${longest.toFixed(1)} ms`,
    );
    expect(longest).toBeLessThan(BOUND);
  },
  LONG ? 600_000 : 60_000,
);
