// The resource of the shelf: a list of what happened, which tests read as `globalThis.shelfLog`.
import * as z from 'zod';

export default {
  contract: 1,
  kind: 'resource',
  type: '../modules/shelf-resource.mjs',
  config: z.strictObject({ _class: z.string(), password: z.string().optional() }),
  create() {
    globalThis.shelfLog = ['resource made'];
    return globalThis.shelfLog;
  },
  async close(log) {
    log.push('resource closed');
  },
};
