import { SessionError, type SessionRecord } from '@sessionkit/session-core';
import { bearer } from '@sessionkit/transport-bearer';
import { cookie } from '@sessionkit/transport-cookie';
import { describe, expect, test } from 'vitest';
import { Browser, field, request, visit, world } from './harness.js';
import { gate, idOf, operator, rig, turns } from './rig.js';

const asked = { status: 200, cacheControl: undefined };

describe('a login', () => {
  test('never makes its user of a visit whose commit was combined with it', async () => {
    const { service, real, broken } = rig();
    const browser = new Browser(service);
    await browser.visit();
    const parts = request({ headers: { cookie: browser.cookie } });
    const [first, attacker, victim] = [
      await service.open(parts),
      await service.open(parts),
      await service.open(parts),
    ];
    const { signal } = attacker.session;
    const saving = gate();
    broken.save = async (record: SessionRecord, given: AbortSignal) => {
      delete broken.save;
      await saving.passed;
      return real.save(record, given);
    };
    first.session.set('first', 1);
    const before = first.session.commit();
    attacker.session.set('mine', 1);
    const waiting = attacker.session.commit();
    const login = victim.session.login('ann');
    saving.open();
    await Promise.all([before, waiting, login]);
    await turns();
    expect(attacker.session.user).toBeUndefined();
    expect(signal.aborted).toBe(true);
    victim.session.set('private', 'of ann');
    await victim.session.commit();
    attacker.session.set('late', 1);
    await expect(attacker.session.commit()).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(attacker.session.get('private')).toBeUndefined();
  });

  test('is not overwritten by the renewed cookie of a request that was slower', async () => {
    const { service, clock } = world({ duration: 36_000_000, idleTimeout: 900_000 });
    const browser = new Browser(service);
    await browser.visit();
    await clock.advance(120_000);
    const slow = await service.open(request({ headers: { cookie: browser.cookie } }));
    expect(slow.pending).toBe(true);
    await browser.visit((session) => session.login('ann'));
    const fields = await slow.finish(asked);
    expect(field(fields, 'set-cookie')).toBeUndefined();
    browser.receive(fields);
    await browser.look((session) => expect(session.user).toBe('ann'));
  });

  test('by bearer is answered by bearer, also over a token that a login has superseded', async () => {
    const { service } = world({ transports: [cookie(), bearer()] });
    const browser = new Browser(service);
    await browser.visit();
    const parts = { headers: { authorization: `Bearer ${browser.token}` } };
    await visit(service, parts, (session) => session.login('ann'));
    const again = await visit(service, parts, (session) => session.login('ann'));
    expect(field(again.fields, 'set-cookie')).toBeUndefined();
    expect(field(again.fields, 'authorization')).toMatch(/^Bearer s/);
  });

  test('makes a visit that might only read writable', async () => {
    const { service } = world();
    const browser = new Browser(service);
    await browser.visit();
    const old = { headers: { cookie: browser.cookie } };
    await browser.visit((session) => session.rotate());
    await browser.visit();
    await turns();
    const answer = await visit(service, old, async (session) => {
      expect(session.readOnly).toBe(true);
      await session.login('ann');
      session.set('a', 1);
    });
    expect(answer.status).toBe(200);
    browser.receive(answer.fields);
    await browser.look((session) => expect(session.get('a')).toBe(1));
  });

  test('that begins a session keeps the signal that was taken before it, which aborts at its end', async () => {
    const { service, manager, clock } = world({ autoCreate: false });
    const { session } = await service.open(request());
    const { signal } = session;
    await session.login('ann');
    if (session.id === undefined) throw new Error('no session');
    await manager.end(session.id, operator);
    await clock.advance(0);
    expect(session.signal).toBe(signal);
    expect(signal.aborted).toBe(true);
  });

  test('on a path that has no session is a mistake of the application, which answers it', async () => {
    const { service, manager } = world({ paths: [{ prefix: '/assets', session: 'none' }] });
    for (const headers of [{}, { 'sec-fetch-site': 'cross-site' }]) {
      const opened = await service.open(request({ path: '/assets/login', method: 'POST', headers }));
      const fault: unknown = await opened.session.login('mallory').catch((error: unknown) => error);
      expect(fault).toBeInstanceOf(SessionError);
      expect(fault).toMatchObject({ code: 'UNSUPPORTED', clientCode: undefined });
      expect(opened.refuse(fault)).toBeUndefined();
      const fields = opened.pending ? await opened.finish({ status: 418, cacheControl: undefined }) : [];
      expect(fields).toEqual([]);
    }
    expect(await manager.count()).toBe(0);
  });
});

describe('a logout', () => {
  test("of a visit from before a login does not end the user's session", async () => {
    const { service } = world();
    const browser = new Browser(service);
    await browser.visit();
    const slow = await service.open(request({ headers: { cookie: browser.cookie } }));
    await browser.visit((session) => session.login('ann'));
    await slow.session.logout();
    browser.receive(await slow.finish(asked));
    await browser.look((session) => expect(session.user).toBe('ann'));
  });
});

describe('a rotation that is due', () => {
  async function due() {
    const made = world();
    const browser = new Browser(made.service);
    await browser.visit();
    await browser.visit((session) => session.login('ann'));
    await browser.look(async (session) => expect(await session.rotate()).toBe('waiting'));
    await made.clock.advance(60_000);
    return { ...made, browser };
  }

  test('never fails the reader with whom it comes', async () => {
    const { service, browser } = await due();
    const reader = await service.open(request({ headers: { cookie: browser.cookie } }));
    await browser.visit((session) => session.login('ann'));
    expect(field(await reader.finish(asked), 'set-cookie')).toBeUndefined();
    expect(reader.pending).toBe(false);
    await browser.look((session) => expect(session.user).toBe('ann'));
  });

  test('stays due when the client of the visit goes away', async () => {
    const { service, browser } = await due();
    const old = browser.token;
    (await service.open(request({ headers: { cookie: browser.cookie } }))).close();
    await browser.visit();
    expect(browser.token).not.toBe(old);
  });
});

test('of two secrets of one session the present one counts', async () => {
  const { service } = world();
  const browser = new Browser(service);
  await browser.visit();
  const old = browser.cookie;
  await browser.visit((session) => session.rotate());
  await browser.visit();
  await turns();
  for (const both of [`${old}; ${browser.cookie}`, `${browser.cookie}; ${old}`]) {
    const answer = await visit(service, { headers: { cookie: both } }, (session) => session.set('a', 1));
    expect(answer.status).toBe(200);
    expect(answer.visit.session.id).toBe(idOf(browser));
  }
});

describe('a path', () => {
  test.each(['/%61dmin/%ff', '/%61dmin/%', '/%61dmin%zz/../admin'])(
    'that can not be decoded as a whole does not evade a rule: %s',
    async (path) => {
      const { service } = world({ autoCreate: false, paths: [{ prefix: '/admin', session: 'required' }] });
      expect((await visit(service, { path })).status).toBe(401);
    },
  );

  test.each([
    '/admin/../public',
    '/admin/..;/public',
    '/admin/..%2fpublic',
    '/admin/%2e%2e/public',
    '/admin\\..\\public',
  ])('that only some would read as a public one needs a session: %s', async (path) => {
    const paths = [{ prefix: '/public', session: 'none' as const }];
    const { service } = world({ autoCreate: false, session: 'required', paths });
    expect((await visit(service, { path })).status).toBe(401);
    expect((await visit(service, { path: '/public/x' })).status).toBe(200);
  });
});

describe('limits per client address', () => {
  test('count sessions that are created by setting something', async () => {
    const { service } = world({ autoCreate: 'on_write', limits: { creations: 2, failedTokens: 9 } });
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) {
      statuses.push((await visit(service, {}, (session) => session.set('a', 1))).status);
    }
    expect(statuses).toEqual([200, 200, 429, 429]);
  });

  test('count creations that are in flight together', async () => {
    const { service, manager } = world({ limits: { creations: 3, failedTokens: 9 } });
    const answers = await Promise.all(Array.from({ length: 50 }, () => visit(service)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
    expect(await manager.count()).toBe(3);
  });
});

describe('names', () => {
  test.each(['a\u0085b', 'a\u009fb', 'a\u007fb'])(
    'with the control character in %j are refused',
    async (name) => {
      const { service } = world();
      await expect(visit(service, {}, (session) => session.login(name))).rejects.toMatchObject({
        code: 'INVALID_VALUE',
      });
      await expect(visit(service, {}, (session) => session.set(name, 1))).rejects.toMatchObject({
        code: 'INVALID_VALUE',
      });
    },
  );

  test.each(['/x\r\nset-cookie: a=b', 'javascript:alert(1)', 'login', ''])(
    'of a login page such as %j are an error of the configuration',
    (loginUrl) => {
      expect(() => world({ loginUrl })).toThrow(/CONFIG_INVALID|loginUrl/);
      expect(() => world({ paths: [{ prefix: '/a', session: 'required', loginUrl }] })).toThrow(/loginUrl/);
    },
  );
});
