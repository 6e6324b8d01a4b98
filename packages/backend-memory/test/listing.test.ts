import type { PageQuery, SessionId } from '@sessionkit/session-core';
import { makeRecord, testEnvironment } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import { type MemoryBackend, memory } from '../src/index.js';
import { fill, signal } from './helpers.js';
import { medianTime } from './measures.js';

const FEW = 1_000;
const MANY = 50_000;

/** A store in which one service, one user and one state are rare. */
async function storeOf(count: number) {
  const environment = testEnvironment();
  const backend = memory({ now: () => environment.now(), maxBytes: 2 ** 40 });
  const records = await fill(backend, environment, count, (n) => ({
    service: n % 100 === 0 ? 'rare' : 'shop',
    user: n % 100 === 50 ? 'ann' : `user${n}`,
  }));
  const ended = records.filter((_, n) => n % 100 === 25).map(({ id }) => id);
  const keepUntil = environment.now() + 3_600_000;
  await backend.end(ended, { at: environment.now(), cause: 'logout', by: undefined, keepUntil }, signal);
  return { backend, records };
}

async function everyPage(backend: MemoryBackend, query: PageQuery): Promise<SessionId[]> {
  const ids: SessionId[] = [];
  let after: SessionId | undefined;
  do {
    const page = await backend.list({ ...query, after }, signal);
    ids.push(...page.items.map(({ id }) => id));
    after = page.next;
  } while (after !== undefined);
  return ids;
}

describe('a page of the memory backend', () => {
  it('costs what the page costs, whatever the conditions and however many sessions there are', {
    timeout: 30_000,
  }, async () => {
    const few = await storeOf(FEW);
    const many = await storeOf(MANY);
    const queries = ({ records }: typeof few): Record<string, PageQuery> => {
      const middle = records[records.length >> 1] ?? expect.fail();
      return {
        first: { limit: 5 },
        middle: { limit: 5, after: middle.id },
        service: { limit: 5, service: 'rare' },
        user: { limit: 5, user: 'ann' },
        state: { limit: 5, state: 'ended' },
        all: { limit: 1, service: 'shop', user: 'ann', state: 'open' },
        start: { limit: 5, startedBefore: records[5]?.startedAt },
        none: { limit: 5, startedBefore: records[0]?.startedAt },
      };
    };
    const [inFew, inMany] = [queries(few), queries(many)];
    for (const name of Object.keys(inFew)) {
      const [small, large] = [inFew[name] ?? expect.fail(), inMany[name] ?? expect.fail()];
      const base = await medianTime(101, () => few.backend.list(small, signal));
      const time = await medianTime(101, () => many.backend.list(large, signal));
      console.log(`memory: page "${name}" ${base.toFixed(3)} ms of ${FEW}, ${time.toFixed(3)} ms of ${MANY}`);
      expect(time / base, name).toBeLessThan(10);
    }
    const base = await medianTime(101, () => few.backend.count({ service: 'shop', state: 'open' }, signal));
    const time = await medianTime(101, () => many.backend.count({ service: 'shop', state: 'open' }, signal));
    expect(time / base, 'count').toBeLessThan(10);
  });

  it('finds by the real start where ids tell another time', async () => {
    const environment = testEnvironment();
    const backend = memory({ now: () => environment.now() });
    const { clock } = environment;
    const start = clock.now();
    const ids: SessionId[] = [];
    for (let n = 0; n < 60; n++) {
      clock.jump(1_000);
      const { id } = makeRecord(environment);
      const startedAt = start + ((n * 37) % 60) * 1_000;
      if (startedAt < start + 30_000) ids.push(id);
      await backend.save(makeRecord(environment, { id, startedAt }), signal);
    }
    const query = { startedBefore: start + 30_000 };
    expect(await everyPage(backend, { ...query, limit: 7 })).toEqual(ids);
    expect(await backend.count(query, signal)).toBe(30);
  });

  it('goes on where it was when sessions come and go between its steps', async () => {
    const { backend, records } = await storeOf(20_000);
    const listing = backend.list({ limit: 20_000 }, signal);
    const late = records.at(-1) ?? expect.fail();
    const early = records[0] ?? expect.fail();
    const keepUntil = Number.MAX_SAFE_INTEGER;
    await backend.end([early.id, late.id], { at: 0, cause: 'killed', by: undefined, keepUntil }, signal);
    const { items } = await listing;
    expect(items.map(({ id }) => id)).toEqual(records.map(({ id }) => id));
  });

  it('refuses a limit that is no whole number of at least 1', async () => {
    const backend = memory();
    for (const limit of [0, -1, 1.5, Number.NaN])
      await expect(backend.list({ limit }, signal)).rejects.toMatchObject({ code: 'INVALID_VALUE' });
  });
});
