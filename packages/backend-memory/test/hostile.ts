import { processEnvironment } from '@sessionkit/session-core';
import type { HostileHarness } from '@sessionkit/testkit';
import type { MemoryBackend, RowNames } from '../src/index.js';
import module from '../src/module.js';

/** Two instances on one store from a configuration. What the memory of the process holds cannot be damaged. */
export function hostileHarness({ sid, ...fields }: RowNames = {}): HostileHarness {
  return {
    async open() {
      const section = { type: 'memory', ...(sid === undefined ? {} : { sid_field: sid }), fields };
      const { value, issues } = module.config['~standard'].validate(section) as {
        value?: Parameters<typeof module.create>[0];
        issues?: unknown;
      };
      if (value === undefined) throw new Error(JSON.stringify(issues));
      const environment = { ...processEnvironment, log: () => {} };
      const resource = () => undefined;
      const context = { environment, path: 'session.backend', resource };
      const a = (await module.create(value, context)) as MemoryBackend;
      const [b, reader] = [a.share(), a.share()];
      return {
        a,
        b,
        peek: async (id) => reader.row(id),
        close: async () => {
          await Promise.all([a.close(), b.close(), reader.close()]);
        },
      };
    },
  };
}
