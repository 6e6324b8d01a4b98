import { describe, expect, it } from 'vitest';
import { compose } from '../src/index.js';
import { printed, read } from './reading.js';
import { visitTwice } from './visits.js';

describe("the samples of the SXAPI session manager's document", () => {
  it.each([
    ['main', 'cookie', 'set-cookie'],
    ['token', 'token', 'session-token'],
    ['cookie', 'cookie', 'set-cookie'],
    ['bearer', 'bearer', 'authorization'],
    ['memory', 'cookie', 'set-cookie'],
  ])(
    '%s runs as written: a client that comes back with its token finds its session',
    async (name, type, field) => {
      const { config, error } = await read(`samples/${name}.yaml`);
      if (config === undefined) throw error;
      expect(config.services.get('api')?.session?.transports.map((transport) => transport.type)).toEqual([
        type,
      ]);
      const composition = await compose(config);
      try {
        const service = composition.services.get('api')?.service;
        if (service === undefined) throw new Error('no service');
        const { fields, ...seen } = await visitTwice(service, 'sid');
        expect(seen).toEqual({ sameId: true, user: 'ann', isNew: false, visits: 1 });
        expect(fields.map(([header]) => header.toLowerCase())).toContain(field);
      } finally {
        await composition.close();
      }
    },
  );

  it.each(['mysql', 'postgres', 'couchbase', 'memcache', 'redis'])(
    '%s tells which package to install, once',
    async (name) => {
      const file = `samples/${name}.yaml`;
      const reading = await read(file);
      expect(reading.error?.code).toBe('MODULE_MISSING');
      expect(printed({ ...reading, warnings: [] }, file)).toBe(
        `${file}: 1 problem\n` +
          `  ${file}:3:5 session.backend.type: @sessionkit/backend-${name} is not installed\n` +
          `    fix: npm install @sessionkit/backend-${name}\n`,
      );
    },
  );

  it.each([
    ['main', []],
    ['token', ['session.backend']],
    ['redis', ['session.transport']],
  ])('%s warns of what is left out', async (name, paths) => {
    const { warnings } = await read(`samples/${name}.yaml`);
    expect(warnings.map(({ path }) => path)).toEqual(paths);
  });
});
