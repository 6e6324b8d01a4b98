import { describe, expect, test } from 'vitest';
import { Browser, field, world } from './harness.js';
import { idOf, recordOf } from './rig.js';

const HOUR = 3_600_000;

describe('a time of its own', () => {
  test('is how long the session may go unused, and the cookie says so', async () => {
    const { service, clock } = world({ duration: 24 * HOUR, idleTimeout: HOUR, onDead: 'renew' });
    const [short, long] = [new Browser(service), new Browser(service)];
    const { fields } = await short.visit((session) => {
      expect(session.idleTimeout).toBe(HOUR);
      session.idleTimeout = 60_000;
      expect(session.idleTimeout).toBe(60_000);
    });
    expect(field(fields, 'set-cookie')).toContain('Max-Age=60;');
    await long.visit((session) => {
      session.idleTimeout = 10 * HOUR;
    });
    const ids = [idOf(short), idOf(long)];
    await clock.advance(60_001);
    await short.look((session) => expect(session.id).not.toBe(ids[0]));
    await clock.advance(9 * HOUR);
    await long.look((session) => expect([session.id, session.idleTimeout]).toEqual([ids[1], 10 * HOUR]));
  });

  test('ends at the end of the duration all the same', async () => {
    const { service, clock } = world({ duration: HOUR, onDead: 'renew' });
    const browser = new Browser(service);
    const { fields } = await browser.visit((session) => {
      session.idleTimeout = 10 * HOUR;
    });
    expect(field(fields, 'set-cookie')).toContain('Max-Age=3600;');
    const id = idOf(browser);
    await clock.advance(HOUR);
    await browser.look((session) => expect(session.id).not.toBe(id));
  });

  test('stays when data changes, also in a session of nobody, and is set back by a login', async () => {
    const { service, backend } = world({ idleTimeout: HOUR, anonymousIdle: 300_000 });
    const browser = new Browser(service);
    const idle = async () => (await recordOf(backend, idOf(browser))).idle;
    await browser.visit((session) => {
      session.idleTimeout = 60_000;
    });
    expect(await idle()).toBe(60_000);
    await browser.visit((session) => session.set('a', 1));
    expect(await idle()).toBe(60_000);
    await browser.visit((session) => session.login('ann'));
    expect(await idle()).toBe(HOUR);
  });

  test('is one save, with what else changes; and none when it is that already', async () => {
    const { service, backend } = world({ idleTimeout: HOUR });
    const browser = new Browser(service);
    await browser.visit((session) => session.set('a', 1));
    await browser.visit((session) => {
      session.set('a', 2);
      session.idleTimeout = 1_000.7;
    });
    const record = await recordOf(backend, idOf(browser));
    expect([record.version, record.idle]).toEqual([2, 1_000]);
    await browser.visit((session) => {
      session.idleTimeout = 1_000;
    });
    expect((await recordOf(backend, idOf(browser))).version).toBe(2);
  });

  test.each([undefined, 0, -1, Number.NaN, Number.POSITIVE_INFINITY, '60' as never])(
    'is not %s',
    async (idle) => {
      const { service } = world();
      await new Browser(service).visit((session) => {
        expect(() => {
          session.idleTimeout = idle;
        }).toThrow(/idleTimeout must be a number of milliseconds, at least 1/);
      });
    },
  );
});
