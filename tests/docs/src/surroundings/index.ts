import type { Block } from '../blocks.js';
import type { Around } from './around.js';
import { GATEWAYS } from './gateways.js';
import { PROGRAMS } from './programs.js';

export type { Around } from './around.js';

/** What is put around a block; nothing around one that stands alone. */
export function aroundOf({ place, text }: Block): Around {
  const [path = ''] = place.split(':');
  const [, around = {}] =
    Object.entries({ ...PROGRAMS[path], ...GATEWAYS[path] }).find(([part]) => text.includes(part)) ?? [];
  return around;
}
