import { describe, expect, test } from 'vitest';
import { Browser, visit, world } from './harness.js';
import { idOf, operator, recordOf, rig } from './rig.js';

describe('data', () => {
  test('is measured in bytes', async () => {
    const { service } = world({ maxData: 1_000 });
    const browser = new Browser(service);
    expect((await browser.visit((session) => session.set('a', 'x'.repeat(900)))).status).toBe(200);
    expect((await browser.visit((session) => session.set('a', '€'.repeat(900)))).status).toBe(413);
    expect((await browser.visit((session) => session.set('a', '€'.repeat(300)))).status).toBe(200);
  });

  test('that is merged is taken as JSON at once, as data that is set', async () => {
    const { service } = world();
    const browser = new Browser(service);
    await browser.visit((session) => {
      const nested = { x: 1 };
      session.merge({ at: new Date(0), nested });
      nested.x = 2;
    });
    await browser.look((session) => {
      expect(session.get('at')).toBe('1970-01-01T00:00:00.000Z');
      expect(session.get('nested')).toEqual({ x: 1 });
    });
  });

  test('is not updated by an asynchronous function, whose promise JSON would store as {}', async () => {
    const { service } = world();
    await visit(service, {}, (session) => {
      expect(() => session.update<unknown>('n', () => Promise.resolve(1))).toThrow(
        expect.objectContaining({ code: 'INVALID_VALUE' }),
      );
      expect(session.has('n')).toBe(false);
    });
  });

  test('that is read has no prototype at any depth', async () => {
    const { service } = world();
    await visit(service, {}, (session) => {
      session.set('a', { b: [{}] });
      const outer = session.get<{ b: object[] }>('a');
      for (const object of [session.all(), outer, outer?.b[0]]) {
        expect(Object.getPrototypeOf(object)).toBeNull();
      }
    });
  });

  test('of a commit that failed is not left in view', async () => {
    const { service } = world({ maxData: 100 });
    const browser = new Browser(service);
    await browser.visit((session) => session.set('kept', 1));
    await browser.look(async (session) => {
      session.set('a', 'x'.repeat(200));
      await expect(session.commit()).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' });
      expect(session.all()).toEqual({ kept: 1 });
    });
  });

  test('written by others as plain JSON is kept whole by a login that loses a race', async () => {
    const { service, real } = rig();
    const browser = new Browser(service);
    await browser.visit();
    const record = await recordOf(real, idOf(browser));
    const plain = { ...record, version: 2, data: '{"a":1}', writes: ['other'] };
    expect(await real.save(plain, new AbortController().signal)).toBe(true);
    const parts = { headers: { cookie: browser.cookie } };
    const answers = await Promise.all(
      [1, 2].map(() =>
        visit(service, parts, async (session) => {
          session.set('b', 2);
          await session.login('ann');
        }),
      ),
    );
    for (const { fields } of answers) {
      const client = new Browser(service);
      client.receive(fields);
      await client.look((session) => {
        expect(session.user).toBe('ann');
        expect(session.all()).toEqual({ a: 1, b: 2 });
      });
    }
  });
});

test('an operator who leaves a log level undefined leaves it as it is', async () => {
  const { service, manager } = world();
  const browser = new Browser(service);
  await browser.visit();
  await manager.alter(idOf(browser), { parameters: { log_info: true } }, operator);
  const partly: Record<string, boolean | undefined> = { log_info: undefined, log_error: false };
  await manager.alter(idOf(browser), { parameters: Object.assign({}, partly) }, operator);
  expect((await manager.get(idOf(browser)))?.parameters).toEqual({ log_info: true, log_error: false });
});
