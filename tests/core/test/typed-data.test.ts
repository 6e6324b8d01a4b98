import { type DataSchema, SessionError } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Browser, field, world } from './harness.js';
import { idOf, recordOf, rig } from './rig.js';
import { LIBRARIES, type Shop, zodShop } from './typed-schemas.js';

/** What is thrown, as a fault. */
function thrown(step: () => unknown): SessionError {
  try {
    step();
  } catch (error) {
    if (error instanceof SessionError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const value = (schema: (data: unknown) => unknown): DataSchema<object, object> =>
  ({ '~standard': { version: 1, vendor: 'test', validate: schema } }) as DataSchema<object, object>;

/** Takes everything, and counts how often it is asked. */
function counting() {
  const counter = { asked: 0 };
  const schema = value((data) => {
    counter.asked++;
    return { value: data };
  });
  return { schema, counter };
}

describe.each(LIBRARIES)('data with a schema of %s', (_name, schema) => {
  const shop = () => world({ data: { schema } });

  it('is what the schema makes of it: defaults stand there unstored', async () => {
    const { service, backend } = shop();
    const browser = new Browser(service);
    await browser.look((session) => {
      expect(session.get('cart')).toEqual([]);
      expect(session.get('theme')).toBeUndefined();
      expect([session.has('cart'), session.keys()]).toEqual([false, []]);
      expect(session.all()).toEqual({ cart: [] });
      session.set('theme', 'dark');
      expect(session.get('theme')).toBe('dark');
    });
    expect(JSON.parse((await recordOf(backend, idOf(browser))).data)).toEqual({ theme: 'dark' });
    await browser.look((session) => expect(session.all()).toEqual({ cart: [], theme: 'dark' }));
  });

  it('refuses a bad value by its path at the line that sets it, and stores nothing of it', async () => {
    const { service, backend } = shop();
    const browser = new Browser(service);
    await browser.look((session) => session.set('theme', 'light'));
    await browser.look((session) => {
      const fault = thrown(() => session.set('cart', [{ name: 'tea', price: -5 }]));
      expect(fault).toMatchObject({ code: 'INVALID_VALUE', clientCode: undefined, retryable: false });
      expect(fault.message).toBe(
        'service "shop": the data of the session does not fit data.schema at cart[0].price',
      );
      // The words of the library may quote the value: they are for whoever looks at the cause.
      expect((fault.cause as Error).message).toMatch(/^cart\[0\]\.price: \S/);
      expect(session.get('cart')).toEqual([]);
    });
    await expect(browser.visit((session) => session.set('theme', 3))).rejects.toMatchObject({
      code: 'INVALID_VALUE',
    });
    expect(JSON.parse((await recordOf(backend, idOf(browser))).data)).toEqual({ theme: 'light' });
  });

  it('refuses what update and merge make of a value, too', async () => {
    const { service } = shop();
    await new Browser(service).look((session) => {
      session.update('cart', (cart) => [...((cart as Shop['cart']) ?? []), { name: 'tea', price: 3 }]);
      expect(thrown(() => session.update('cart', () => 'tea')).message).toContain('at cart');
      expect(thrown(() => session.merge({ theme: 'blue' })).message).toContain('at theme');
      session.merge({ theme: 'dark' });
      expect(session.all()).toEqual({ cart: [{ name: 'tea', price: 3 }], theme: 'dark' });
    });
  });

  it('hands out frozen copies without a prototype', async () => {
    const { service } = shop();
    await new Browser(service).look((session) => {
      session.set('cart', [{ name: 'tea', price: 3 }]);
      const cart = session.get('cart') as Shop['cart'];
      expect(() => cart.push({ name: 'x', price: 1 })).toThrow(TypeError);
      expect(Object.getPrototypeOf(cart[0])).toBeNull();
      expect(session.get('constructor')).toBeUndefined();
    });
    // A default of the schema's own is not frozen with it.
    await new Browser(service).look((session) => expect(session.get('cart')).toEqual([]));
    expect(Object.isFrozen((schema['~standard'].validate({}) as { value: Shop }).value.cart)).toBe(false);
  });
});

it('nothing is validated that nobody looks at or changes, and nothing twice', async () => {
  const { schema, counter } = counting();
  const { service } = world({ data: { schema } });
  const browser = new Browser(service);
  const asked = async (handler: Parameters<Browser['look']>[0]) => {
    counter.asked = 0;
    await browser.look(handler);
    return counter.asked;
  };
  await browser.look((session) => session.set('n', 1));
  expect(await asked(() => undefined)).toBe(0);
  expect(await asked((session) => session.login('ann'))).toBe(0);
  expect(await asked((session) => [session.user, session.has('n'), session.keys(), session.text])).toBe(0);
  expect(await asked((session) => [session.get('n'), session.get('m'), session.all()])).toBe(1);
  // Once where it is set; what is stored is the same text.
  expect(await asked((session) => session.set('n', 2))).toBe(1);
});

it('a transform is applied to what is read, never to what is stored', async () => {
  const { service, backend } = world({
    data: {
      schema: z.object({
        since: z.iso
          .date()
          .transform((text) => new Date(text))
          .optional(),
      }),
    },
  });
  const browser = new Browser(service);
  for (let i = 0; i < 2; i++)
    await browser.look((session) => {
      session.set('since', '2026-11-22');
      expect(session.get('since')).toEqual(new Date('2026-11-22'));
    });
  expect(JSON.parse((await recordOf(backend, idOf(browser))).data)).toEqual({ since: '2026-11-22' });
});

it('a key that the schema drops can not be set', async () => {
  const { service } = world({ data: { schema: zodShop } });
  await new Browser(service).look((session) => {
    const fault = thrown(() => session.set('tehme', 'dark'));
    expect(fault).toMatchObject({
      code: 'INVALID_VALUE',
      message: 'service "shop": data.schema has no key "tehme"',
    });
    session.delete('tehme');
  });
});

describe('what two keys say of each other', () => {
  const schema = z
    .object({ from: z.number().default(0), to: z.number().default(0) })
    .refine(({ from, to }) => from <= to, { message: 'ends before it begins' });

  it('may be wrong between two sets, not when it is stored', async () => {
    const { service, backend } = world({ data: { schema } });
    const browser = new Browser(service);
    await browser.look((session) => {
      session.set('from', 5);
      expect(thrown(() => session.get('from')).message).toContain('at the top');
      session.set('to', 7);
      expect(session.all()).toEqual({ from: 5, to: 7 });
    });
    await expect(browser.visit((session) => session.set('from', 9))).rejects.toMatchObject({
      code: 'INVALID_VALUE',
      clientCode: undefined,
    });
    await browser.look(async (session) => {
      session.set('to', 3);
      await expect(session.commit()).rejects.toMatchObject({ code: 'INVALID_VALUE' });
      // Whoever was told sees the session as it is stored.
      expect(session.all()).toEqual({ from: 5, to: 7 });
    });
    expect(JSON.parse((await recordOf(backend, idOf(browser))).data)).toEqual({ from: 5, to: 7 });
  });

  it('of two requests whose changes do not fit together the second alone fails, with 409', async () => {
    const { service, backend, broken, real } = rig({ data: { schema } });
    const browser = new Browser(service);
    await browser.look((session) => {
      session.set('from', 5);
      session.set('to', 9);
    });
    // Both in one save: the first is under way while they are made.
    let saves = 0;
    broken.save = async (...parts: Parameters<typeof real.save>) => {
      saves++;
      return real.save(...parts);
    };
    const [first, second, third] = await Promise.all([
      browser.visit((session) => session.set('from', 8)),
      browser.visit((session) => session.set('to', 6)),
      browser.visit((session) => session.set('to', 10)),
    ]);
    expect([first, second, third].map(({ status }) => status)).toEqual([200, 409, 200]);
    expect(second?.refusal?.code).toBe('conflict');
    expect(saves).toBeLessThanOrEqual(2);
    expect(JSON.parse((await recordOf(backend, idOf(browser))).data)).toEqual({ from: 8, to: 10 });
  });
});

it('changes of different keys by two processes are both kept', async () => {
  const a = rig({ data: { schema: zodShop } });
  const b = world({ data: { schema: zodShop }, backend: a.real.share() }, { clock: a.clock });
  const browser = new Browser(a.service);
  await browser.look((session) => session.set('theme', 'light'));
  const other = new Browser(b.service);
  for (const [name, text] of browser.jar) other.jar.set(name, text);
  await browser.look(async (session) => {
    session.set('cart', [{ name: 'tea', price: 3 }]);
    await other.look((theirs) => theirs.set('theme', 'dark'));
  });
  await other.look((session) =>
    expect(session.all()).toEqual({ cart: [{ name: 'tea', price: 3 }], theme: 'dark' }),
  );
});

it('a schema that can not serve is refused at the start, with its fix', () => {
  const start = (schema: DataSchema<object, object>, version?: number) =>
    thrown(() => world({ data: { schema, version } }));
  const required = start(
    z.object({ cart: z.array(z.string()), deep: z.object({ 'a b': z.string() }).default({} as never) }),
  );
  expect(required).toMatchObject({
    code: 'CONFIG_INVALID',
    message:
      'service "shop": data.schema does not take {} (cart): a new session has no data, so make each key optional or give it a default',
  });
  expect(start(value(async (data) => ({ value: data }))).message).toBe(
    'service "shop": data.schema validates asynchronously, which a session can not wait for: check such things before set',
  );
  expect(start({} as DataSchema<object, object>).message).toContain('must be a Standard Schema');
  expect(start(zodShop, 0).message).toBe(
    'service "shop": data.version must be a whole number, at least 1, not 0',
  );
});

it('services that share their sessions have one version of their data', () => {
  const { manager, backend } = world({ share: 'all', data: { schema: zodShop, version: 2 } });
  const beside = (name: string, data: { schema: typeof zodShop; version: number } | undefined) =>
    manager.service(name, { backend, transports: [cookie()], share: 'all', data });
  expect(thrown(() => beside('old', { schema: zodShop, version: 1 })).message).toBe(
    'services "shop" and "old" share their sessions, but their data.version is 2 and 1; give both the same',
  );
  expect([beside('same', { schema: zodShop, version: 2 }), beside('any', undefined)]).toHaveLength(2);
});

it('a check that turns out to be asynchronous is refused when it is first met', async () => {
  const schema = z.object({
    nick: z
      .string()
      .refine(async (nick) => nick !== 'bob')
      .optional(),
  });
  const { service } = world({ data: { schema } });
  await new Browser(service).look((session) => {
    expect(thrown(() => session.set('nick', 'ann'))).toMatchObject({ code: 'UNSUPPORTED' });
    expect(session.has('nick')).toBe(false);
  });
});

it('what a login keeps of an anonymous session has to fit, too', async () => {
  const { service } = world({ data: { schema: zodShop } });
  const browser = new Browser(service);
  await browser.look((session) => {
    session.set('theme', 'dark');
    session.set('cart', [{ name: 'tea', price: 3 }]);
  });
  const answer = await browser.look((session) => session.login('ann', { keep: ['cart'] }));
  expect(field(answer.fields, 'set-cookie')).toBeDefined();
  await browser.look((session) => expect(session.all()).toEqual({ cart: [{ name: 'tea', price: 3 }] }));
});
