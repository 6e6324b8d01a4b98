import type { DataSchema } from '@sessionkit/session-core';
import { type } from 'arktype';
import * as v from 'valibot';
import { z } from 'zod';

export interface Item {
  name: string;
  price: number;
}

/** What `get` answers, whichever library checks it. */
export interface Shop {
  cart: Item[];
  theme?: 'dark' | 'light' | undefined;
}

/** What is stored. */
export interface ShopInput {
  cart?: Item[] | undefined;
  theme?: 'dark' | 'light' | undefined;
}

const zodShop = z.object({
  cart: z.array(z.object({ name: z.string(), price: z.number().min(0) })).default([]),
  theme: z.enum(['dark', 'light']).optional(),
});

const valibotShop = v.object({
  cart: v.optional(v.array(v.object({ name: v.string(), price: v.pipe(v.number(), v.minValue(0)) })), []),
  theme: v.optional(v.picklist(['dark', 'light'])),
});

const arktypeShop = type({
  cart: type({ name: 'string', price: 'number >= 0' })
    .array()
    .default(() => []),
  'theme?': "'dark' | 'light' | undefined",
});

/** One schema in the words of three libraries. */
export const LIBRARIES: readonly (readonly [string, DataSchema<ShopInput, Shop>])[] = [
  ['zod', zodShop],
  ['valibot', valibotShop],
  ['arktype', arktypeShop],
];

export { arktypeShop, valibotShop, zodShop };
