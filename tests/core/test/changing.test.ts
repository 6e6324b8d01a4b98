import { describe, expect, test } from 'vitest';
import { Browser, field, visit, world } from './harness.js';

describe('data', () => {
  test('is set, read, updated, deleted and merged', async () => {
    const { service } = world();
    const browser = new Browser(service);
    await browser.look((session) => {
      session.set('cart', [1, 2]);
      session.set('theme', 'dark');
      session.update<number>('n', (n = 0) => n + 1);
      session.merge({ address: { city: 'Ulm', zip: '1' }, theme: null });
      expect(session.keys()).toEqual(['cart', 'n', 'address']);
    });
    await browser.look((session) => {
      expect(session.all()).toEqual({ cart: [1, 2], n: 1, address: { city: 'Ulm', zip: '1' } });
      session.merge({ address: { zip: null, street: 'A' } });
      session.delete('cart');
    });
    await browser.look((session) => {
      expect(session.all()).toEqual({ n: 1, address: { city: 'Ulm', street: 'A' } });
      expect(session.has('cart')).toBe(false);
    });
  });

  test('read is frozen and without prototype, and what was set is a copy', async () => {
    const { service } = world();
    const browser = new Browser(service);
    const cart = [{ id: 1 }];
    await browser.visit((session) => {
      session.set('cart', cart);
      cart.push({ id: 2 });
    });
    await browser.look((session) => {
      const read = session.get<{ id: number }[]>('cart');
      expect(read).toEqual([{ id: 1 }]);
      expect(() => read?.push({ id: 3 })).toThrow(TypeError);
      expect(() => Object.assign(read?.[0] ?? {}, { id: 9 })).toThrow(TypeError);
      expect(Object.getPrototypeOf(session.all())).toBeNull();
    });
  });

  test.each([
    ['an empty key', '', 1],
    ['__proto__', '__proto__', 1],
    ['a control character', 'a\nb', 1],
    ['a key of 256 bytes', 'é'.repeat(128), 1],
    ['undefined', 'a', undefined],
    ['a function', 'a', () => 1],
    ['a BigInt', 'a', 1n],
    ['a nested __proto__', 'a', JSON.parse('{"b":{"__proto__":{"admin":true}}}')],
  ])('refuses %s and loses nothing', async (_name, key, value) => {
    const { service } = world();
    const browser = new Browser(service);
    await browser.look((session) => {
      session.set('kept', 1);
      expect(() => session.set(key, value)).toThrow(expect.objectContaining({ code: 'INVALID_VALUE' }));
    });
    await browser.look((session) => expect(session.all()).toEqual({ kept: 1 }));
  });

  test('too large is refused with 413 and the stored data stays', async () => {
    const { service } = world({ maxData: 1000 });
    const browser = new Browser(service);
    await browser.visit((session) => session.set('kept', 1));
    const answer = await browser.visit((session) => session.set('big', 'x'.repeat(1000)));
    expect(answer).toMatchObject({ status: 413, refusal: { code: 'data_too_large' } });
    await browser.look((session) => expect(session.keys()).toEqual(['kept']));
  });

  test('of requests in flight that set different keys is all kept, with far fewer saves than writers', async () => {
    const { service, backend } = world();
    let saves = 0;
    const save = backend.save.bind(backend);
    Object.assign(backend, {
      save: (...args: Parameters<typeof save>) => {
        saves += 1;
        return save(...args);
      },
    });
    const browser = new Browser(service);
    await browser.visit();
    const parts = { headers: { cookie: browser.cookie } };
    await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        visit(service, parts, (session) => {
          session.set(`k${i}`, i);
          session.update<number>('n', (n = 0) => n + 1);
        }),
      ),
    );
    await browser.look((session) => {
      expect(session.keys()).toHaveLength(51);
      expect(session.get('n')).toBe(50);
    });
    expect(saves).toBeLessThanOrEqual(4);
  });

  test('of one whose update throws fails alone', async () => {
    const { service } = world();
    const browser = new Browser(service);
    await browser.visit((session) => session.set('n', 1));
    const parts = { headers: { cookie: browser.cookie } };
    const picky = visit(service, parts, async (session) => {
      session.update<number>('n', (n) => {
        if (n !== 1) throw new Error('changed');
        return n;
      });
      session.set('picky', true);
      await new Promise((resolve) => setTimeout(resolve, 20));
    });
    const plain = visit(service, parts, (session) => session.set('n', 2));
    expect((await plain).status).toBe(200);
    await expect(picky).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    await browser.look((session) => expect(session.all()).toEqual({ n: 2 }));
  });

  test('that a handler commits is stored before it goes on', async () => {
    const { service } = world();
    const browser = new Browser(service);
    await browser.visit();
    const parts = { headers: { cookie: browser.cookie } };
    await visit(service, parts, async (session) => {
      session.set('a', 1);
      await session.commit();
      await visit(service, parts, (other) => expect(other.get('a')).toBe(1));
    });
  });

  test('may change after the head has gone out, but nothing that needs a header', async () => {
    const { service } = world();
    const browser = new Browser(service);
    await browser.visit();
    const opened = await service.open(
      (await import('./harness.js')).request({ headers: { cookie: browser.cookie } }),
    );
    await opened.finish({ status: 200, cacheControl: undefined });
    opened.session.set('late', 1);
    await opened.finish(undefined);
    await browser.look((session) => expect(session.get('late')).toBe(1));
    await expect(opened.session.login('ann')).rejects.toMatchObject({ code: 'HEADERS_SENT' });
    await expect(opened.session.rotate()).rejects.toMatchObject({ code: 'HEADERS_SENT' });
  });

  test('written by others as plain JSON is read, and members of a newer format survive', async () => {
    const { service, backend } = world();
    const browser = new Browser(service);
    const first = await browser.visit((session) => session.set('a', 1));
    const signal = new AbortController().signal;
    const id = first.visit.session.id;
    if (id === undefined) throw new Error('no session');
    const [record] = await backend.load([id], signal);
    if (record === undefined || record instanceof Error) throw new Error('no record');
    const data = '{"a":{"__proto__":{"x":1},"b":2},"c":[1]}';
    const extra = { colour: { shade: 'blue' } };
    const writes = [...record.writes, 'w'];
    expect(await backend.save({ ...record, version: 2, format: 9, data, extra, writes }, signal)).toBe(true);
    await browser.look((session) => {
      expect(session.all()).toEqual({ a: { b: 2 }, c: [1] });
      session.set('d', 1);
    });
    const [after] = await backend.load([id], signal);
    expect(after).toMatchObject({ version: 3, format: 9, extra });
  });
});

describe('login', () => {
  test('out of anonymous keeps id and data, changes the secret and moves the end', async () => {
    const { service, clock } = world();
    const browser = new Browser(service);
    const first = await browser.visit((session) => session.set('cart', [1]));
    const before = browser.token;
    await clock.advance(1_800_000);
    const answer = await browser.visit((session) => session.login('ann'), { method: 'POST' });
    expect(answer.visit.session.id).toBe(first.visit.session.id);
    expect(browser.token).not.toBe(before);
    expect(field(answer.fields, 'set-cookie')).toContain('Max-Age=3600');
    await browser.look((session) => {
      expect(session.user).toBe('ann');
      expect(session.get('cart')).toEqual([1]);
      expect(session.authenticatedAt).toBe(clock.now());
    });
  });

  test('keeps only the keys that it is told to', async () => {
    const { service } = world();
    const browser = new Browser(service);
    await browser.visit((session) => session.merge({ cart: [1], seen: true }));
    await browser.visit((session) => session.login('ann', { keep: ['cart', 'absent'] }));
    await browser.look((session) => expect(session.keys()).toEqual(['cart']));
  });

  test('supersedes the old secret at once: for a minute it only goes unanswered, then it is dead', async () => {
    const { service, clock } = world();
    const browser = new Browser(service);
    await browser.visit();
    const old = { headers: { cookie: browser.cookie } };
    await browser.visit((session) => session.login('ann'));
    const early = await visit(service, old);
    expect(early).toMatchObject({ status: 200, fields: [] });
    expect(early.visit.session.user).toBeUndefined();
    await clock.advance(60_000);
    expect(await visit(service, old)).toMatchObject({ status: 401, refusal: { code: 'session_invalid' } });
    await browser.look((session) => expect(session.user).toBe('ann'));
  });

  test('tells a superseded client so where a session is required, without touching its cookie', async () => {
    const { service } = world({ session: 'required' });
    const browser = new Browser(service);
    await browser.visit();
    const old = { headers: { cookie: browser.cookie } };
    await browser.visit((session) => session.login('ann'));
    const answer = await visit(service, old);
    expect(answer).toMatchObject({ status: 401, refusal: { code: 'session_superseded' } });
    expect(field(answer.fields, 'set-cookie')).toBeUndefined();
  });

  test('whose answer was lost locks nobody out: logging in again works at once', async () => {
    const { service } = world();
    const browser = new Browser(service);
    await browser.visit();
    await visit(service, { headers: { cookie: browser.cookie } }, (session) => session.login('ann'));
    const again = await browser.visit((session) => session.login('ann'));
    expect(again.status).toBe(200);
    await browser.look((session) => expect(session.user).toBe('ann'));
  });

  test('as another user begins a new session without data and ends the old one', async () => {
    const { service, manager } = world();
    const browser = new Browser(service);
    await browser.visit((session) => session.login('ann'));
    const first = await browser.visit((session) => session.set('secret', 1));
    const old = { headers: { cookie: browser.cookie } };
    await browser.visit((session) => session.login('bob'));
    await browser.look((session) => {
      expect(session.user).toBe('bob');
      expect(session.keys()).toEqual([]);
      expect(session.id).not.toBe(first.visit.session.id);
    });
    expect((await manager.list({ state: 'ended' })).items).toMatchObject([
      { user: 'ann', cause: 'replaced' },
    ]);
    expect(await visit(service, old)).toMatchObject({ status: 200, fields: [] });
  });

  test('as the same user changes the secret, keeps the data and does not move the end', async () => {
    const { service, clock } = world();
    const browser = new Browser(service);
    await browser.visit((session) => session.login('ann'));
    const first = await browser.visit((session) => session.set('a', 1));
    const end = first.visit.session.endsAt;
    await clock.advance(600_000);
    const second = await browser.visit((session) => session.login('ann'));
    expect(second.visit.session.endsAt).toBe(end);
    expect(second.visit.session.get('a')).toBe(1);
    expect(second.visit.session.id).toBe(first.visit.session.id);
  });

  test('drops what slower requests of the anonymous session still wanted to change', async () => {
    const { service } = world();
    const browser = new Browser(service);
    await browser.visit();
    const slow = visit(service, { headers: { cookie: browser.cookie } }, async (session) => {
      await browser.visit((other) => other.login('ann'));
      session.set('role', 'admin');
    });
    expect(await slow).toMatchObject({ status: 409, refusal: { code: 'conflict' } });
    await browser.look((session) => expect(session.keys()).toEqual([]));
  });

  test('of two requests at once both end in a session of the user', async () => {
    const { service } = world();
    const browser = new Browser(service);
    await browser.visit((session) => session.set('cart', [1]));
    const parts = { headers: { cookie: browser.cookie } };
    const answers = await Promise.all(
      [1, 2].map(() => visit(service, parts, (session) => session.login('ann'))),
    );
    for (const answer of answers) {
      const other = new Browser(service);
      other.receive(answer.fields);
      await other.look((session) => {
        expect(session.user).toBe('ann');
        expect(session.get('cart')).toEqual([1]);
      });
    }
  });

  test.each(['', 'a\r\nb', 'x'.repeat(256), '__proto__'])('refuses the user name %j', async (user) => {
    const { service } = world();
    await expect(visit(service, {}, (session) => session.login(user))).rejects.toMatchObject({
      code: 'INVALID_VALUE',
    });
  });

  test('beyond max_per_user is refused, or ends the oldest', async () => {
    for (const full of ['refuse', 'oldest'] as const) {
      const { service, clock } = world({ maxPerUser: { max: 2, full } });
      const browsers = [new Browser(service), new Browser(service), new Browser(service)];
      const statuses: number[] = [];
      for (const browser of browsers) {
        await clock.advance(10);
        statuses.push((await browser.visit((session) => session.login('ann'))).status);
      }
      expect(statuses).toEqual(full === 'refuse' ? [200, 200, 429] : [200, 200, 200]);
      const first = await browsers[0]?.visit();
      expect(first?.status).toBe(full === 'refuse' ? 200 : 401);
      if (full === 'oldest') expect(first?.refusal?.code).toBe('session_ended');
    }
  });
});

describe('rotation', () => {
  test('keeps the old secret in full force until the new one is seen, then lets it read for 30 s', async () => {
    const { service, clock } = world();
    const browser = new Browser(service);
    await browser.visit();
    const old = { headers: { cookie: browser.cookie } };
    await browser.look(async (session) => expect(await session.rotate()).toBe('rotated'));
    await clock.advance(600_000);
    expect((await visit(service, old, (session) => session.set('a', 1))).status).toBe(200);
    await browser.look((session) => expect(session.get('a')).toBe(1));
    const reading = await visit(service, old, (session) => expect(session.readOnly).toBe(true));
    expect(reading.status).toBe(200);
    const writing = await visit(service, old, (session) => session.set('a', 2));
    expect(writing).toMatchObject({ status: 409, refusal: { code: 'session_read_only' } });
    await clock.advance(30_000);
    expect(await visit(service, old)).toMatchObject({ status: 401, refusal: { code: 'session_invalid' } });
    expect((await browser.visit()).status).toBe(200);
  });

  test('does nothing while the last new secret is unseen, and replaces that one after a minute', async () => {
    const { service, clock } = world();
    const browser = new Browser(service);
    await browser.visit();
    const old = { headers: { cookie: browser.cookie } };
    await visit(service, old, (session) => session.rotate());
    await visit(service, old, async (session) => expect(await session.rotate()).toBe('unchanged'));
    await clock.advance(60_000);
    await browser.look(async (session) => expect(await session.rotate()).toBe('rotated'));
    expect((await browser.visit()).status).toBe(200);
    expect((await visit(service, old, (session) => expect(session.readOnly).toBe(true))).status).toBe(200);
  });

  test('waits for a minute after a login and then comes with the next visit', async () => {
    const { service, clock } = world();
    const browser = new Browser(service);
    await browser.visit();
    await browser.visit((session) => session.login('ann'));
    const token = browser.token;
    await browser.look(async (session) => expect(await session.rotate()).toBe('waiting'));
    expect(browser.token).toBe(token);
    await clock.advance(60_000);
    await browser.visit();
    expect(browser.token).not.toBe(token);
    await browser.look((session) => expect(session.user).toBe('ann'));
  });

  test('does not move the end of the session', async () => {
    const { service, clock } = world();
    const browser = new Browser(service);
    const first = await browser.visit();
    const end = first.visit.session.endsAt;
    await clock.advance(600_000);
    const rotated = await browser.visit((session) => session.rotate());
    expect(rotated.visit.session.endsAt).toBe(end);
    expect(field(rotated.fields, 'set-cookie')).toContain('Max-Age=3000');
  });
});
