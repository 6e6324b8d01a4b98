import assert from 'node:assert/strict';
import { can, type Millis } from '@sessionkit/session-core';
import { cutCases } from './fault-cuts.js';
import { killCases, leastAcknowledged } from './fault-kills.js';
import {
  type FaultCase,
  FaultKit,
  type FaultMeasures,
  type FaultSettings,
  LATE_BY,
  pause,
  RECOVERED_WITHIN,
} from './fault-kit.js';
import { outageCases } from './fault-outages.js';
import { silenceCases } from './fault-silence.js';
import { settled } from './settled.js';
import type { RunningStore, StoreHarness } from './store-harness.js';

/** What can happen to a store, and what must be true of a backend when it does. */
export const faultCases: readonly FaultCase[] = [...outageCases, ...silenceCases, ...cutCases, ...killCases];

export interface FaultOptions {
  /** Deadline of the store for core, in ms. Default 2,000. */
  readonly deadline?: Millis | undefined;
  /** Runs the full counts, and asserts bounds of time as they are promised. Default false: less, and ten times the bounds. */
  readonly full?: boolean | undefined;
}

/** A case bound to a store: what a test runner needs. */
export interface FaultTest {
  readonly name: string;
  /** Rejects with an AssertionError where the store or its backend breaks a promise. */
  run(): Promise<void>;
}

export interface FaultSuite {
  /** The cases that apply, to be run one after the other. */
  readonly cases: readonly FaultTest[];
  /** What was measured so far, one line each: `faults NAME: 14 cases, slowest silent answer 2,043 ms, …`. */
  report(): readonly string[];
  /** Ends the store. */
  close(): Promise<void>;
}

const CONNECTIONS_GONE_WITHIN: Millis = 5_000;
const DEADLINE: Millis = 2_000;

/** Starts the store; the answered suite's `close` ends it. Which cases apply follows from what the harness has and the backend can. */
export async function faultSuite(harness: StoreHarness, options: FaultOptions = {}): Promise<FaultSuite> {
  const store = await harness.start();
  const settings = { deadline: options.deadline ?? DEADLINE, full: options.full ?? false };
  const measures = noMeasures();
  let passed = 0;
  const backend = await store.connect();
  const cases = faultCases
    .filter(({ ability }) => ability === undefined || can(backend, ability))
    .filter(({ applies }) => applies?.(harness, store) ?? true);
  await backend.close();
  return {
    cases: cases.map((one) => ({
      name: one.name,
      async run() {
        if (one.ownStore) await onOwnStore(one, harness, settings, measures);
        else await runFaultCase(one, store, settings, measures);
        passed += 1;
      },
    })),
    report: () => [reportOf(harness, passed, settings, measures), ...notesOf(harness.name, measures)],
    close: () => store.stop(),
  };
}

async function onOwnStore(
  one: FaultCase,
  harness: StoreHarness,
  settings: FaultSettings,
  measures: FaultMeasures,
): Promise<void> {
  const store = await harness.start();
  try {
    await runFaultCase(one, store, settings, measures);
  } finally {
    await store.stop();
  }
}

/** Runs a case, and looks that nothing is left of it: no connection in the server, no rejection that nobody took. */
export async function runFaultCase(
  one: FaultCase,
  store: RunningStore,
  settings: FaultSettings,
  measures: FaultMeasures = noMeasures(),
): Promise<void> {
  const { connections } = measures;
  const before = await settled(() => store.connections(), CONNECTIONS_GONE_WITHIN);
  const kit = await FaultKit.open(store, settings, measures);
  try {
    await withoutUnhandled(() => left(one, kit));
    const limit = performance.now() + CONNECTIONS_GONE_WITHIN;
    for (;;) {
      const after = await store.connections();
      if (after === before) {
        connections.before += before;
        connections.after += after;
        return;
      }
      assert.ok(
        performance.now() < limit,
        `the server had ${before} connections before, and has ${after} after everything was closed`,
      );
      await pause(20);
    }
  } finally {
    await kit.close();
  }
}

async function left(one: FaultCase, kit: FaultKit): Promise<void> {
  try {
    await one.run(kit);
    const { connections } = kit.measures;
    const meanwhile = await kit.store.connections();
    assert.ok(meanwhile > 0, 'an application is connected, and the server is said to have no connection');
    connections.most = Math.max(connections.most, meanwhile);
  } finally {
    await kit.leave();
  }
}

function noMeasures(): FaultMeasures {
  const connections = { before: 0, most: 0, after: 0 };
  return { slowest: 0, recovered: 0, acknowledged: 0, found: 0, connections, notes: [] };
}

async function withoutUnhandled(run: () => Promise<void>): Promise<void> {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);
  process.on('unhandledRejection', note);
  try {
    await run();
    // The process tells of a rejection when a turn of the event loop is over.
    await pause(1);
  } finally {
    process.off('unhandledRejection', note);
  }
  assert.deepEqual(unhandled, [], 'promises were rejected and nobody took it');
}

function reportOf(
  { name, forgets }: StoreHarness,
  passed: number,
  settings: FaultSettings,
  measures: FaultMeasures,
): string {
  const { slowest, recovered, acknowledged, found, connections } = measures;
  const whole = (value: number) => Math.round(value).toLocaleString('en');
  // What no case of this run has measured is not told.
  const told = (is: boolean, ...parts: readonly string[]) => (is ? parts : []);
  return [
    `faults ${name}: ${passed} cases`,
    ...told(
      slowest > 0,
      `slowest silent answer ${whole(slowest)} ms (at most ${whole(settings.deadline + LATE_BY)})`,
    ),
    `recovered within ${whole(recovered)} ms (at most ${whole(RECOVERED_WITHIN)})`,
    `connections in the server ${connections.before} before, at most ${connections.most} meanwhile, ${connections.after} after`,
    ...told(forgets === true, 'forgets everything in a restart'),
    ...told(
      acknowledged > 0,
      `saves acknowledged ${acknowledged} (at least ${leastAcknowledged({ settings })})`,
      `found after restart ${found}`,
    ),
  ].join(', ');
}

function notesOf(name: string, { notes }: FaultMeasures): string[] {
  return notes.map((note) => `faults ${name}: ${note}`);
}
