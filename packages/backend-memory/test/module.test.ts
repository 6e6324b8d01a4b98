import { ABILITIES, type Change, CONTRACT_VERSION, can, type LogEntry } from '@sessionkit/session-core';
import { makeRecord, testEnvironment } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import { type MemoryOptions, memory } from '../src/index.js';
import module from '../src/module.js';
import { fill, signal } from './helpers.js';

interface Outcome {
  readonly value?: Parameters<typeof module.create>[0];
  readonly issues?: readonly { readonly path: readonly string[]; readonly message: string }[];
}

const check = (section: unknown) => module.config['~standard'].validate(section) as Outcome;

function create(section: object) {
  const environment = testEnvironment();
  const { value = expect.fail() } = check({ type: 'memory', ...section });
  const context = { environment, path: 'session.backend', resource: () => undefined };
  return { environment, backend: module.create(value, context) as ReturnType<typeof memory> };
}

describe('the memory backend in a YAML file', () => {
  it('is a backend of this contract by the name of memory', () => {
    expect(module).toMatchObject({ contract: CONTRACT_VERSION, kind: 'backend', type: 'memory' });
  });

  it('says what the backend can', () => {
    expect(module.abilities).toEqual(ABILITIES.filter((ability) => can(memory(), ability)));
    expect(module.abilities).toHaveLength(6);
  });

  it('needs no more than its type', () => {
    expect(check({ type: 'memory' }).value).toEqual({
      type: 'memory',
      sid_field: 'sid',
      fields: {},
      max_sessions: 100_000,
      max_bytes: 268_435_456,
    });
  });

  it('shows a session under the names that were chosen, without a hash', async () => {
    const fields = { ip: 'ipAdress', start: 'startDate', stop: 'stopDate' };
    const { environment, backend } = create({ sid_field: 'sessionID', fields });
    const killAt = environment.now() + 5_000;
    const record = makeRecord(environment, { user: 'ann', data: '{"n":1}', killAt });
    await backend.save(record, signal);
    expect(backend.row(record.id)).toEqual({
      sessionID: record.id,
      user: 'ann',
      ipAdress: '192.0.2.7',
      startDate: record.startedAt,
      stopDate: killAt,
      version: 1,
      ended: undefined,
      data: '{"n":1}',
    });
    expect(backend.row(makeRecord(environment).id)).toBeUndefined();
  });

  it('lives by the clock of the environment and keeps its bounds', async () => {
    const { environment, backend } = create({ max_sessions: 2 });
    expect(await backend.now(signal)).toBe(environment.now());
    await fill(backend, environment, 2);
    await expect(backend.save(makeRecord(environment), signal)).rejects.toMatchObject({
      code: 'BACKEND_FULL',
    });
  });

  it.each([
    [{ type: 'memory', sidfield: 'x' }, [], 'sidfield'],
    [{ type: 'memory', fields: { end: 'x' } }, ['fields'], 'end'],
    [{ type: 'memory', max_sessions: 0 }, ['max_sessions'], '1'],
    [{ type: 'memory', max_bytes: 1.5 }, ['max_bytes'], 'int'],
    [{ type: 'memory', sid_field: '' }, ['sid_field'], '1'],
    [{ type: 'memory', sid_field: 'data' }, ['fields'], 'choose another name'],
    [{ type: 'memory', fields: { ip: 'x', stop: 'x' } }, ['fields'], 'choose another name'],
    [{ type: 'redis' }, ['type'], 'memory'],
  ])('refuses %j and says where', (section, path, message) => {
    const { issues = [] } = check(section);
    expect(issues).toHaveLength(1);
    expect(issues[0]?.path).toEqual(path);
    expect(issues[0]?.message).toContain(message);
  });
});

describe('the memory backend in code', () => {
  it.each([
    [{ maxSessions: 0 }, 'maxSessions'],
    [{ maxSessions: Number.POSITIVE_INFINITY }, 'maxSessions'],
    [{ maxBytes: 0.5 }, 'maxBytes'],
    [{ names: { ip: 'sid' } }, '"sid"'],
  ] satisfies [MemoryOptions, string][])('refuses the options %j', (options, message) => {
    expect(() => memory(options)).toThrow(message);
    expect(() => memory(options)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });

  it('answers the very record that was saved: nothing is copied', async () => {
    const environment = testEnvironment();
    const backend = memory();
    const record = makeRecord(environment);
    await backend.save(record, signal);
    const [first] = await backend.load([record.id], signal);
    expect(first).toBe(record);
    await backend.touch([{ id: record.id, epoch: 0, seenAt: record.seenAt + 1 }], signal);
    const [second] = await backend.load([record.id], signal);
    const [third] = await backend.share().load([record.id], signal);
    expect(second).toEqual({ ...record, seenAt: record.seenAt + 1 });
    expect(third).toBe(second);
    expect(record.seenAt).toBe(environment.now());
  });

  it('ends sessions by end alone', async () => {
    const record = makeRecord(testEnvironment(), { ended: { at: 1, cause: 'logout', by: undefined } });
    await expect(memory().save(record, signal)).rejects.toMatchObject({ code: 'INVALID_VALUE' });
  });

  it('tells of a change after the call that made it, and logs what a listener throws', async () => {
    const entries: LogEntry[] = [];
    const environment = testEnvironment();
    const backend = memory({ log: (entry) => entries.push(entry) });
    const heard: Change[] = [];
    const failure = new Error('the listener failed');
    await backend.watch(() => {
      throw failure;
    });
    await backend.share().watch((change) => heard.push(change));
    const record = makeRecord(environment);
    await backend.save(record, signal);
    const ending = backend.end([record.id], { at: 1, cause: 'killed', by: 'op', keepUntil: 2 }, signal);
    expect(heard).toEqual([]);
    await ending;
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual([{ id: record.id, version: 1, what: 'ended', cause: 'killed' }]);
    expect(entries).toMatchObject([{ level: 'error', session: record.id, error: failure }]);
  });

  it('keeps the latest of two announcements of a process that overlap', async () => {
    const environment = testEnvironment();
    const backend = memory({ now: () => environment.now() });
    const { id } = makeRecord(environment);
    const link = { id, process: 'one', since: 0, detail: {} };
    const long = Array.from({ length: 200_000 }, () => link);
    await Promise.all([
      backend.announce('one', long, 1_000, signal),
      backend.announce('one', [link], 1_000, signal),
    ]);
    expect(await backend.present([id, id], signal)).toEqual([link]);
  });
});
