// A backend for tests of the composition: it needs a resource, counts what is made and closed, and can neither list nor count slots.
import * as z from 'zod';

export default {
  contract: 1,
  kind: 'backend',
  type: 'shelf',
  // Not true: what a module promises is held against what it makes.
  abilities: ['slots'],
  resourceClass: '../modules/shelf-resource.mjs',
  config: z.strictObject({ type: z.literal('shelf'), resource: z.string(), fail: z.boolean().optional() }),
  create({ resource: name, fail }, context) {
    const log = context.resource(name);
    if (fail) throw new Error('the shelf is not level');
    log.push(`backend made at ${context.path}`);
    return {
      type: 'shelf',
      traits: { durable: false, shared: false, approximate: false, staleness: 0, lateWrites: false },
      load: async (ids) => ids.map(() => undefined),
      save: async () => true,
      touch: async () => [],
      end: async () => [],
      now: async () => undefined,
      async close() {
        log.push('backend closed');
      },
    };
  },
};
