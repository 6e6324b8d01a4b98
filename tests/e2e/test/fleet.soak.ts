import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SHARED_STORES, type SharedStore } from './shared-store.js';
import { grown, MEASURES, type Medians, type SoakResult, soak, toleranceText } from './soak.js';

/** Set by `pnpm soak`. */
const MINUTES = Number(process.env.SESSIONKIT_SOAK_MINUTES ?? 10);
/** File for what was measured. */
const OUT = process.env.SESSIONKIT_SOAK_OUT;

const minute = 60_000;
const length = MINUTES * minute;
const OPTIONS = {
  warmUp: Math.min(minute, length / 2),
  length,
  window: Math.min(minute, length / 3),
  sessions: 40,
  pace: 40,
  seed: 5,
  filters:
    '{ requests: { type: log, level: info }, answers: { type: cache, per_session: { entries: 10 }, ttl: 60 }, gentle: { type: limit, rate: { requests: 20, per: 10 } } }',
  around: ['requests'],
  given: ['requests', 'answers', 'gentle'],
};

const shown = (name: string, value: number) =>
  name === 'rss' || name === 'heap' ? `${(value / 1_000_000).toFixed(1)} MB` : String(value);

function lineOf({ process, first, last }: Medians): string {
  const each = MEASURES.map((name) => `${name} ${shown(name, first[name])} -> ${shown(name, last[name])}`);
  return `soak ${process}: ${each.join(', ')}`;
}

function report({ medians, actions }: SoakResult): void {
  const done = Object.entries(actions).map(([name, count]) => `${name} ${count}`);
  const lines = [
    `soak: ${MINUTES} minutes after ${Math.round(OPTIONS.warmUp / 1_000)} s of warm-up, ${OPTIONS.sessions} sessions at a time on two gateways and an admin API on one Redis`,
    `soak: ${done.join(', ')}`,
    `soak: medians of the first and the last ${Math.round(OPTIONS.window / 1_000)} s, after full collections`,
    ...medians.map(lineOf),
    `soak: flat is at most this much more: ${toleranceText}`,
  ];
  const text = `${lines.join('\n')}\n`;
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder) appendFileSync(join(folder, 'summary.txt'), text);
  if (OUT !== undefined) writeFileSync(OUT, text);
  console.log(text);
}

let store: SharedStore;
beforeAll(async () => {
  store = await (SHARED_STORES.redis as () => Promise<SharedStore>)();
});
afterAll(() => store.stop());

describe('sessions that are created, steered and ended at random', () => {
  it(
    'leave nothing behind in any process: memory, handles, connections and listeners are flat',
    async () => {
      const result = await soak(store, OPTIONS);
      report(result);
      expect(result.wrong).toEqual([]);
      for (const medians of result.medians)
        expect([lineOf(medians), grown(medians)]).toEqual([lineOf(medians), []]);
      expect(Object.keys(result.actions).length).toBeGreaterThan(10);
    },
    OPTIONS.warmUp + length + 120_000,
  );

  it('are not flat in a gateway whose filter leaks', async () => {
    const leaky = join(import.meta.dirname, 'modules', 'leaky.mjs');
    const { medians } = await soak(store, {
      ...OPTIONS,
      warmUp: 3_000,
      length: 30_000,
      window: 5_000,
      filters: `{ leaky: { type: "${leaky}" } }`,
      around: ['leaky'],
      given: ['leaky'],
    });
    for (const each of medians.slice(0, 2))
      expect(grown(each)).toEqual(expect.arrayContaining(['heap', 'listeners']));
  });
});
