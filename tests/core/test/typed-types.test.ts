import { memory } from '@sessionkit/backend-memory';
import { createSessionManager, type Service, type Session } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { expect, expectTypeOf, it } from 'vitest';
import type { z } from 'zod';
import { arktypeShop, type Item, type Shop, type ShopInput, valibotShop, zodShop } from './typed-schemas.js';

// What stands here fails in the type check as soon as a type degrades to `unknown` or `any`; nothing of it depends on values.

const manager = createSessionManager();
const backend = memory();
const common = (name: string) => ({ backend, transports: [cookie({ name })] });

const byZod = manager.service('zod', { ...common('z'), data: { schema: zodShop } });
const byValibot = manager.service('valibot', { ...common('v'), data: { schema: valibotShop } });
const byArktype = manager.service('arktype', { ...common('a'), data: { schema: arktypeShop } });
const untyped = manager.service('untyped', common('u'));

type SessionOf<S> = S extends Service<infer Data, infer Input> ? Session<Data, Input> : never;
type Theme = 'dark' | 'light';
type FrozenCart = readonly { readonly name: string; readonly price: number }[];

/** Never called. */
function types(session: Session<Shop, ShopInput>, free: Session): void {
  // @ts-expect-error there is no such key
  session.get('basket');
  // @ts-expect-error what it has is an object of another form
  session.set('cart', [{ name: 'tea', price: '3' }]);
  // @ts-expect-error one of two words
  session.set('theme', 'blue');
  // @ts-expect-error delete it
  session.set('theme', undefined);
  // @ts-expect-error there is no such key
  session.delete('basket');
  // @ts-expect-error values are changed by set
  session.get('cart').push({ name: 'tea', price: 3 });
  // @ts-expect-error update answers what set takes
  session.update('cart', () => 'tea');
  // @ts-expect-error a patch of a key is a patch of its value
  session.merge({ theme: 3 });
  session.set('cart', [...session.get('cart'), { name: 'tea', price: 3 }]);
  session.update('cart', (cart = []) => [...cart, { name: 'tea', price: 3 }]);
  session.merge({ theme: null, cart: [] });
  free.set('anything', [1]);
  free.update('n', (n: number | undefined) => (n ?? 0) + 1);
  free.merge({ anything: { deep: null } });
}

it('a service with a schema has sessions with the types of that, whichever library wrote it', () => {
  const [inZod, inValibot, inArktype] = [
    {} as SessionOf<typeof byZod>,
    {} as SessionOf<typeof byValibot>,
    {} as SessionOf<typeof byArktype>,
  ];
  expectTypeOf(inZod.get<'cart'>).returns.toEqualTypeOf<FrozenCart>();
  expectTypeOf(inValibot.get<'cart'>).returns.toEqualTypeOf<FrozenCart>();
  expectTypeOf(inArktype.get<'cart'>).returns.toEqualTypeOf<FrozenCart>();
  expectTypeOf(inZod.get<'theme'>).returns.toEqualTypeOf<Theme | undefined>();
  expectTypeOf(inValibot.get<'theme'>).returns.toEqualTypeOf<Theme | undefined>();
  expectTypeOf(inArktype.get<'theme'>).returns.toEqualTypeOf<Theme | undefined>();
  expectTypeOf(inZod.set<'cart'>)
    .parameter(1)
    .toEqualTypeOf<FrozenCart>();
  expectTypeOf(inValibot.set<'cart'>)
    .parameter(1)
    .toEqualTypeOf<FrozenCart>();
  expectTypeOf(inArktype.set<'cart'>)
    .parameter(1)
    .toEqualTypeOf<FrozenCart>();
  expectTypeOf(inZod.set<'theme'>)
    .parameter(1)
    .toEqualTypeOf<Theme>();
  expectTypeOf(inValibot.set<'theme'>)
    .parameter(1)
    .toEqualTypeOf<Theme>();
  expectTypeOf(inArktype.set<'theme'>)
    .parameter(1)
    .toEqualTypeOf<Theme>();
  expectTypeOf(byZod).toEqualTypeOf<Service<z.output<typeof zodShop>, z.input<typeof zodShop>>>();
  const opened = () => byZod.open({} as never).then(({ session }) => session.get('cart'));
  expectTypeOf(opened).returns.resolves.toEqualTypeOf<FrozenCart>();
  expectTypeOf({} as z.output<typeof zodShop>['cart']).toEqualTypeOf<Item[]>();
  for (const each of [opened, types]) expect(each).toBeTypeOf('function');
});

it('without a schema anything goes, as it says itself', () => {
  expectTypeOf(untyped).toEqualTypeOf<Service>();
  const session = {} as SessionOf<typeof untyped>;
  expectTypeOf(session).toEqualTypeOf<Session>();
  const read = () => session.get('cart');
  const named = () => session.get<number>('n');
  expectTypeOf(read).returns.toEqualTypeOf<unknown>();
  expectTypeOf(named).returns.toEqualTypeOf<number | undefined>();
  expectTypeOf(session.all).returns.toEqualTypeOf<Readonly<Record<string, unknown>>>();
  expect(read).toThrow();
  expect(named).toThrow();
});

it('what takes any service or session takes one with a schema', () => {
  const takes = (service: Service): string => service.name;
  const takesSession = (session: Session): boolean => session === undefined;
  expect([byZod, byValibot, byArktype].map(takes)).toEqual(['zod', 'valibot', 'arktype']);
  expect(takesSession({} as Session<Shop, ShopInput>)).toBe(false);
  expectTypeOf<Session<Shop, ShopInput>>().toExtend<Session>();
  // And not the other way round.
  expectTypeOf<Session>().not.toExtend<Session<Shop, ShopInput>>();
});

it('migrate answers what the schema takes', () => {
  const make = () =>
    manager.service('migrated', {
      ...common('m'),
      data: {
        schema: zodShop,
        version: 2,
        // @ts-expect-error the price is a number
        migrate: () => ({ cart: [{ name: 'tea', price: '3' }] }),
      },
    });
  const good = () =>
    manager.service('good', {
      ...common('g'),
      data: {
        schema: zodShop,
        version: 2,
        migrate: (old, from) => {
          expectTypeOf(old).toEqualTypeOf<Readonly<Record<string, unknown>>>();
          expectTypeOf(from).toEqualTypeOf<number>();
          return { cart: [{ name: 'tea', price: 3 }] };
        },
      },
    });
  expectTypeOf(good).returns.toEqualTypeOf<typeof byZod>();
  expect([make, good].map((start) => start().name)).toEqual(['migrated', 'good']);
});
