// Sessions that are created, steered and ended at random on two gateways and an admin API, and what the three processes hold meanwhile.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { temporaryFolder } from './app.js';
import { startFleet } from './fleet.js';
import { startLiveUpstream } from './holds.js';
import type { SharedStore } from './shared-store.js';
import { Load, type LoadOptions } from './soak-load.js';

export const MEASURES = ['rss', 'heap', 'handles', 'connections', 'listeners'] as const;
type Measure = (typeof MEASURES)[number];
type Sample = Readonly<Record<Measure | 'at', number>>;

export interface SoakOptions extends LoadOptions {
  readonly warmUp: number;
  /** How long is measured, and the part of it at each end whose medians are compared; all in ms. */
  readonly length: number;
  readonly window: number;
  /** Value of the section `filters`, and the filters of the service. */
  readonly filters: string;
  readonly around: readonly string[];
}

/** Medians of one process. */
export interface Medians {
  readonly process: string;
  readonly first: Readonly<Record<Measure, number>>;
  readonly last: Readonly<Record<Measure, number>>;
}

export interface SoakResult {
  readonly medians: readonly Medians[];
  /** What was done how often. */
  readonly actions: Readonly<Record<string, number>>;
  /** Answers that nobody should get. */
  readonly wrong: readonly string[];
}

/** How much more than at first a process may hold at the end: a share of it, and so much besides. */
const TOLERANCE: Readonly<Record<Measure, readonly [share: number, besides: number]>> = {
  rss: [0.1, 20_000_000],
  heap: [0.1, 3_000_000],
  handles: [0.2, 12],
  connections: [0.2, 12],
  listeners: [0.2, 60],
};

export const toleranceText = MEASURES.map((name) => {
  const [share, besides] = TOLERANCE[name];
  const absolute = besides >= 1_000_000 ? `${besides / 1_000_000} MB` : String(besides);
  return `${name} ${share * 100} % + ${absolute}`;
}).join(', ');

/** The measures that have grown. */
export function grown({ first, last }: Medians): readonly Measure[] {
  return MEASURES.filter((name) => {
    const [share, besides] = TOLERANCE[name];
    return last[name] > first[name] * (1 + share) + besides;
  });
}

export async function soak(
  store: Pick<SharedStore, 'backend' | 'resource'>,
  options: SoakOptions,
): Promise<SoakResult> {
  const folder = temporaryFolder();
  const probe = pathToFileURL(join(import.meta.dirname, 'modules', 'probe.mjs'));
  const upstream = await startLiveUpstream();
  const fleet = await startFleet(upstream.url, store, {
    session:
      'limits: false, keep_ended: 10, transport: { type: cookie }, max_per_user: { max: 1, full: oldest }',
    filters: options.filters,
    around: options.around,
    env: { NODE_OPTIONS: `--import ${probe}`, SESSIONKIT_PROBE: folder },
  });
  try {
    const load = new Load(fleet, options);
    await load.run(options.warmUp);
    const from = Date.now();
    await load.run(options.length);
    const until = Date.now();
    const medians = fleet.programs.map((program, n) => {
      const samples = readFileSync(join(folder, `${program.child.pid}.jsonl`), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Sample);
      return {
        process: n < 2 ? `gateway ${n + 1}` : 'admin API',
        first: mediansOf(samples, from, from + options.window),
        last: mediansOf(samples, until - options.window, until),
      };
    });
    for (const program of fleet.programs)
      if (program.stderr.includes('MaxListenersExceeded')) load.wrong.push('MaxListenersExceededWarning');
    await load.stop();
    return { medians, actions: load.actions, wrong: load.wrong };
  } finally {
    await fleet.stop();
    upstream.stop();
  }
}

function mediansOf(samples: readonly Sample[], from: number, until: number): Record<Measure, number> {
  const within = samples.filter(({ at }) => at >= from && at <= until);
  if (within.length === 0) throw new Error('a process has told nothing of itself');
  const median = (name: Measure) =>
    within.map((sample) => sample[name]).sort((a, b) => a - b)[Math.floor(within.length / 2)] ?? 0;
  return Object.fromEntries(MEASURES.map((name) => [name, median(name)])) as Record<Measure, number>;
}
