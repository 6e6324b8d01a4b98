import type { ServiceOptions } from '@sessionkit/session-core';
import { describe, expect, test } from 'vitest';
import { Browser, field, request, world } from './harness.js';
import { idOf, recordOf } from './rig.js';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** A browser with a session, and its cookie of the last answer that had one. */
async function client(options: ServiceOptions = {}) {
  const made = world({ duration: 30 * DAY, idleTimeout: 15 * MINUTE, ...options });
  const browser = new Browser(made.service);
  const open = (upgrade = false) =>
    made.service.open(request({ upgrade, headers: { cookie: browser.cookie } }));
  const cookieOf = async (...parts: Parameters<Browser['visit']>) =>
    field((await browser.visit(...parts)).fields, 'set-cookie');
  await browser.visit((session) => session.set('a', 1));
  return { ...made, browser, open, cookieOf };
}

describe('the cookie of a session that a socket uses', () => {
  test('is renewed by the next request when a tenth has passed, and once', async () => {
    const { clock, open, cookieOf } = await client();
    const socket = await open(true);
    await socket.finish({ status: 101, cacheControl: undefined });
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 30; i++) {
        await clock.advance(10_000);
        socket.used();
      }
      expect(await cookieOf()).toContain('Max-Age=900;');
      expect(await cookieOf()).toBeUndefined();
    }
  });

  test('is still due when the answer that was to renew it is for anybody, or never came', async () => {
    const { clock, open, cookieOf } = await client();
    const socket = await open(true);
    await socket.finish({ status: 101, cacheControl: undefined });
    await clock.advance(2 * MINUTE);
    socket.used();
    expect(await cookieOf(undefined, {}, { cacheControl: 'public' })).toBeUndefined();
    const cut = await open();
    expect(cut.pending).toBe(true);
    cut.close();
    expect(await cookieOf()).toContain('Max-Age=900;');
  });

  test('is not renewed for a use within the same tenth', async () => {
    const { clock, open, cookieOf } = await client();
    const socket = await open(true);
    await clock.advance(MINUTE);
    socket.used();
    expect(await cookieOf()).toBeUndefined();
  });
});

describe('a time of its own', () => {
  test('that a session gets later goes out with the cookie', async () => {
    const { cookieOf } = await client();
    const week = await cookieOf((session) => {
      session.idleTimeout = 7 * DAY;
    });
    expect(week).toContain('Max-Age=604800;');
    const minute = await cookieOf(async (session) => {
      session.idleTimeout = MINUTE;
      await session.commit();
    });
    expect(minute).toContain('Max-Age=60;');
    expect(await cookieOf((session) => session.set('a', 2))).toBeUndefined();
  });

  test('that it gets after the answer has begun goes out with the next one', async () => {
    const { open, cookieOf } = await client();
    const stream = await open();
    await stream.finish(undefined);
    stream.session.idleTimeout = 7 * DAY;
    await stream.session.commit();
    expect(stream.pending).toBe(false);
    expect(await cookieOf()).toContain('Max-Age=604800;');
    expect(await cookieOf()).toBeUndefined();
  });

  test('goes out with the new secret of a login or a rotation', async () => {
    const { clock, cookieOf, browser } = await client();
    await clock.advance(2 * MINUTE);
    const before = browser.token;
    const rotated = await cookieOf(async (session) => {
      session.idleTimeout = 7 * DAY;
      expect(await session.rotate()).toBe('rotated');
    });
    expect(rotated).toContain('Max-Age=604800;');
    expect(browser.token).not.toBe(before);
    expect(await cookieOf((session) => session.login('ann'))).toContain('Max-Age=900;');
  });
});

test('the first data of a session that was made empty lets its cookie live as long as itself', async () => {
  const { service, backend } = world({ idleTimeout: 15 * MINUTE, anonymousIdle: MINUTE });
  const browser = new Browser(service);
  expect(field((await browser.visit()).fields, 'set-cookie')).toContain('Max-Age=60;');
  const { fields } = await browser.visit((session) => session.set('a', 1));
  expect((await recordOf(backend, idOf(browser))).idle).toBe(15 * MINUTE);
  expect(field(fields, 'set-cookie')).toContain('Max-Age=900;');
});
