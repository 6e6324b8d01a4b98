// A filter for tests of the composition: it notes what passes.
import * as z from 'zod';

export default {
  contract: 1,
  kind: 'filter',
  type: 'marker',
  config: z.strictObject({ type: z.literal('marker'), mark: z.string().min(1) }),
  create({ mark }, { name }) {
    if (mark === 'broken') throw new Error('there is no ink');
    return {
      type: 'marker',
      name,
      closed: 0,
      seen: [],
      open() {
        return {
          handle: (_exchange, next) => {
            this.seen.push(mark);
            return next();
          },
          close() {},
        };
      },
      close() {
        this.closed += 1;
      },
    };
  },
};
