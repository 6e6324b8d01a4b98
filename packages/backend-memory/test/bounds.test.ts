import { SessionError, type SessionRecord } from '@sessionkit/session-core';
import { makeRecord, nextRecord, testEnvironment } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import { memory } from '../src/index.js';
import { recordBytes } from '../src/size.js';
import { fill, signal } from './helpers.js';
import { medianTime } from './measures.js';

const ending = { at: 0, cause: 'logout', by: undefined, keepUntil: Number.MAX_SAFE_INTEGER } as const;

function setUp(options: Parameters<typeof memory>[0]) {
  const environment = testEnvironment();
  const backend = memory({ now: () => environment.now(), ...options });
  const make = (members?: Partial<SessionRecord>) => makeRecord(environment, members);
  const alive = async (records: readonly SessionRecord[]) => {
    const found = await backend.load(
      records.map(({ id }) => id),
      signal,
    );
    return found.filter((record) => record !== undefined && record.ended === undefined).length;
  };
  return { environment, backend, make, alive };
}

describe('a memory backend that is full', () => {
  it('refuses a new session and keeps every living one', async () => {
    const { environment, backend, make, alive } = setUp({ maxSessions: 50 });
    const records = await fill(backend, environment, 50);
    await expect(backend.save(make(), signal)).rejects.toMatchObject({
      code: 'BACKEND_FULL',
      retryable: true,
    });
    expect(await alive(records)).toBe(50);
    expect(await backend.count({}, signal)).toBe(50);
    const [first] = records;
    expect(await backend.save(nextRecord(environment, first ?? make(), { data: '{"n":1}' }), signal)).toBe(
      true,
    );
  });

  it('lets expired sessions go first, one for each that comes', async () => {
    const { environment, backend, make, alive } = setUp({ maxSessions: 30 });
    const living = await fill(backend, environment, 20);
    const expired = await fill(backend, environment, 10, () => ({
      idle: 60_000,
      endsAt: environment.now() + 1_000,
    }));
    await backend.end([living[0]?.id ?? make().id], ending, signal);
    environment.clock.jump(1_000);
    for (let n = 0; n < 10; n++) expect(await backend.save(make(), signal)).toBe(true);
    expect(await alive(expired)).toBe(0);
    expect(await backend.count({ state: 'ended' }, signal)).toBe(1);
    expect(await alive(living)).toBe(19);
  });

  it('lets ended sessions that are still kept go before it refuses', async () => {
    const { environment, backend, make, alive } = setUp({ maxSessions: 10 });
    const records = await fill(backend, environment, 10);
    const gone = records.slice(3, 5);
    await backend.end(
      gone.map(({ id }) => id),
      ending,
      signal,
    );
    expect(await backend.save(make(), signal)).toBe(true);
    expect(await backend.save(make(), signal)).toBe(true);
    await expect(backend.save(make(), signal)).rejects.toMatchObject({ code: 'BACKEND_FULL' });
    expect(await alive(records)).toBe(8);
    expect(await backend.count({}, signal)).toBe(10);
  });

  it('counts a touched session as living', async () => {
    const { environment, backend, make } = setUp({ maxSessions: 1 });
    const record = make({ idle: 1_000 });
    await backend.save(record, signal);
    await backend.touch([{ id: record.id, epoch: 0, seenAt: environment.now() + 900 }], signal);
    environment.clock.jump(1_500);
    await expect(backend.save(make(), signal)).rejects.toMatchObject({ code: 'BACKEND_FULL' });
    environment.clock.jump(400);
    expect(await backend.save(make(), signal)).toBe(true);
  });

  it('lets as many of parallel creations in as there is room for', async () => {
    const { environment, backend, make } = setUp({ maxSessions: 20 });
    await fill(backend, environment, 15);
    await fill(backend, environment, 5, () => ({ idle: 1_000 }));
    environment.clock.jump(2_000);
    const answers = await Promise.allSettled(Array.from({ length: 12 }, () => backend.save(make(), signal)));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
    for (const answer of answers)
      if (answer.status === 'rejected') expect(answer.reason).toBeInstanceOf(SessionError);
    expect(await backend.count({}, signal)).toBe(20);
  });

  it('refuses as fast with 50,000 living sessions as with 500', async () => {
    const refusal = async (sessions: number) => {
      const { environment, backend, make } = setUp({ maxSessions: sessions });
      const records = await fill(backend, environment, sessions, () => ({ idle: 10_000 }));
      await backend.touch(
        records.map(({ id }) => ({ id, epoch: 0, seenAt: environment.now() + 20_000 })),
        signal,
      );
      environment.clock.jump(15_000);
      // The first refusal looks at every session once, to learn of the touches.
      return medianTime(101, () => expect(backend.save(make(), signal)).rejects.toThrow('full'));
    };
    const few = await refusal(500);
    const many = await refusal(50_000);
    console.log(
      `memory: a refusal takes ${few.toFixed(3)} ms with 500 sessions, ${many.toFixed(3)} with 50,000`,
    );
    expect(many / few).toBeLessThan(10);
  });
});

describe('a memory backend that is bounded by bytes', () => {
  const data = `{"n":"${'x'.repeat(4_000)}"}`;

  it('refuses what would take it beyond, and takes it when something smaller is stored instead', async () => {
    const environment = testEnvironment();
    const bytes = recordBytes(makeRecord(environment, { data }));
    const backend = memory({ now: () => environment.now(), maxBytes: 5 * bytes });
    const records = await fill(backend, environment, 5, () => ({ data }));
    const [first = expect.fail(), second = expect.fail()] = records;
    await expect(backend.save(makeRecord(environment), signal)).rejects.toMatchObject({
      code: 'BACKEND_FULL',
    });
    const grown = nextRecord(environment, first, { data: `${data} ` });
    await expect(backend.save(grown, signal)).rejects.toMatchObject({ code: 'BACKEND_FULL' });
    expect(await backend.load([first.id], signal)).toEqual([first]);
    expect(await backend.save(nextRecord(environment, second, { data: '{}' }), signal)).toBe(true);
    expect(await backend.save(grown, signal)).toBe(true);
  });

  it('refuses a session that would not fit alone as too large, and takes nothing away for it', async () => {
    const environment = testEnvironment();
    const backend = memory({ now: () => environment.now(), maxBytes: 5_000 });
    const [kept = expect.fail()] = await fill(backend, environment, 1);
    await backend.end([kept.id], ending, signal);
    const large = makeRecord(environment, { data });
    await expect(backend.save(large, signal)).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' });
    expect(await backend.count({}, signal)).toBe(1);
  });

  it('gives bytes back when sessions end and are swept', async () => {
    const environment = testEnvironment();
    const bytes = recordBytes(makeRecord(environment, { data }));
    const backend = memory({ now: () => environment.now(), maxBytes: 10 * bytes });
    for (let round = 0; round < 20; round++) {
      const records = await fill(backend, environment, 10, () => ({ data }));
      const half = records.slice(0, 5).map(({ id }) => id);
      await backend.end(half, { ...ending, keepUntil: 0 }, signal);
      expect(await backend.sweep(Number.MAX_SAFE_INTEGER, 100, signal)).toHaveLength(10);
    }
  });

  it('drops the journals written to longest ago when they outgrow a quarter, and all of them for a session', async () => {
    const environment = testEnvironment();
    const maxBytes = 200_000;
    const backend = memory({ now: () => environment.now(), maxBytes });
    const records = await fill(backend, environment, 20);
    for (const [at, { id }] of records.entries())
      await backend.append(
        { batchId: `${at}`, entries: [{ id, at, kind: 'log', text: 'x'.repeat(5_000) }] },
        signal,
      );
    const read = () =>
      backend.read(
        records.map(({ id }) => id),
        signal,
      );
    const kept = (await read()).map(({ length }) => length);
    expect(kept).toEqual([...Array(kept.length - 9).fill(0), ...Array(9).fill(1)]);
    const rest = maxBytes - 20 * recordBytes(records[0] ?? expect.fail());
    const filler = 'x'.repeat(rest - recordBytes(makeRecord(environment)) - 100);
    expect(await backend.save(makeRecord(environment, { data: filler }), signal)).toBe(true);
    expect((await read()).flat()).toEqual([]);
  });

  it('keeps an entry out that is larger than a whole journal, and the others in', async () => {
    const environment = testEnvironment();
    const backend = memory({ now: () => environment.now() });
    const [{ id } = expect.fail()] = await fill(backend, environment, 1);
    const entry = (at: number, text: string) => ({ id, at, kind: 'log' as const, text });
    const entries = [entry(1, 'a'), entry(2, 'x'.repeat(70_000)), entry(3, 'b')];
    await backend.append({ batchId: 'one', entries }, signal);
    expect((await backend.read([id], signal))[0]?.map(({ text }) => text)).toEqual(['a', 'b']);
  });
});

describe('claims of places that wait for their sessions', () => {
  it('are at most as many as sessions, until the oldest have lapsed', async () => {
    const { environment, backend, make } = setUp({ maxSessions: 100 });
    const claim = (n: number) => {
      const at = environment.now();
      return backend.claim(
        { service: 'shop', user: `user${n}`, id: make().id, at, max: 1, full: 'refuse' },
        signal,
      );
    };
    for (let n = 0; n < 100; n++) expect(await claim(n)).toEqual([]);
    await expect(claim(100)).rejects.toMatchObject({ code: 'BACKEND_FULL' });
    environment.clock.jump(60_000);
    for (let n = 0; n < 100; n++) expect(await claim(1_000 + n)).toEqual([]);
  });
});
