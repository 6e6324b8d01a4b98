import type { Backend, SessionRecord } from '@sessionkit/session-core';
import { describe, expect, it } from 'vitest';
import { makeRecord, nextRecord, testEnvironment } from '../src/index.js';
import { RaceGates } from '../src/race-gates.js';

const { signal } = new AbortController();
const PATIENT = 30_000;

/** A store of one record; `loads` runs before each load. */
function storeOf(first: SessionRecord, loads: () => void) {
  let stored = first;
  const backend = {
    async load() {
      loads();
      return [stored];
    },
    async save(record: SessionRecord) {
      if (record.version !== stored.version + 1) return false;
      stored = record;
      return true;
    },
  } as unknown as Backend;
  const store = (record: SessionRecord) => {
    stored = record;
  };
  return { backend, store };
}

describe('a save that lingers', () => {
  const environment = testEnvironment();
  const first = makeRecord(environment);

  it('goes on when the other process has stored its version, however slow that one is', async () => {
    let looked = 0;
    const other = storeOf(first, () => {
      if (++looked === 3) other.store(nextRecord(environment, first));
    });
    const gates = new RaceGates();
    gates.slowness = { oneIn: 1, least: 1, most: PATIENT, untilMet: true };
    const gated = gates.around(other.backend, async () => undefined);
    expect(await gated.save(nextRecord(environment, first), signal)).toBe(false);
    expect(looked).toBe(3);
  });

  it('goes on by itself when nobody comes', async () => {
    const { backend } = storeOf(first, () => {});
    const gates = new RaceGates();
    gates.slowness = { oneIn: 1, least: 1, most: 20, untilMet: true };
    const gated = gates.around(backend, async () => undefined);
    expect(await gated.save(nextRecord(environment, first), signal)).toBe(true);
  });

  it('leaves a fault of its looking to the save', async () => {
    const { backend } = storeOf(first, () => {
      throw new Error('no answer');
    });
    const gates = new RaceGates();
    gates.slowness = { oneIn: 1, least: 1, most: PATIENT, untilMet: true };
    const gated = gates.around(backend, async () => undefined);
    expect(await gated.save(nextRecord(environment, first), signal)).toBe(true);
  });
});
