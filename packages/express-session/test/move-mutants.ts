import { createHash } from 'node:crypto';
import type { LegacySessions } from '@sessionkit/session-core';

/** A taker-over that is broken in one way, and the cases that see it. */
interface MoveMutant {
  readonly name: string;
  readonly on: string;
  readonly caughtBy: readonly string[];
  change(legacy: LegacySessions): LegacySessions;
}

const seedOf = (text: string) => createHash('sha512').update(text).digest();
const REDIS = 'connect-redis, usual';
const POSTGRES = 'connect-pg-simple, usual';

export const MUTANTS: readonly MoveMutant[] = [
  {
    name: 'the signature is not looked at',
    on: REDIS,
    caughtBy: ['a forged signature'],
    change: (legacy) => ({
      ...legacy,
      read(request) {
        const [, key] = /connect\.sid=s(?::|%3A)([^.;]+)/.exec(request.header('cookie') ?? '') ?? [];
        return key === undefined ? undefined : { key, seed: seedOf(key) };
      },
    }),
  },
  {
    name: 'a forged cookie is taken for a dead session',
    on: POSTGRES,
    caughtBy: ['a forged signature'],
    change: (legacy) => ({
      ...legacy,
      read: (request) =>
        legacy.read(request) ??
        (request.header('cookie')?.includes('connect.sid=')
          ? { key: 'forged', seed: seedOf('forged') }
          : undefined),
    }),
  },
  {
    name: 'the old session is not deleted',
    on: POSTGRES,
    caughtBy: ['finds user and data, once', 'requests at a time'],
    change: (legacy) => ({ ...legacy, remove: async () => {} }),
  },
  {
    name: 'the old cookie is not cleared',
    on: REDIS,
    caughtBy: ['finds user and data, once', 'has run out'],
    change: (legacy) => ({ ...legacy, clear: () => [] }),
  },
  {
    name: 'every request draws an id of its own',
    on: REDIS,
    caughtBy: ['requests at a time', 'whatever fails'],
    change: (legacy) => ({
      ...legacy,
      read(request) {
        const found = legacy.read(request);
        return found && { ...found, seed: seedOf(`${Math.random()}`) };
      },
    }),
  },
  {
    name: 'the old session is deleted before the new one is stored',
    on: REDIS,
    caughtBy: ['a save here without an answer'],
    change: (legacy) => ({
      ...legacy,
      async take(key, ...rest) {
        const found = await legacy.take(key, ...rest);
        await legacy.remove(key, ...(rest.slice(1) as [AbortSignal]));
        return found;
      },
    }),
  },
  {
    name: 'a store that is away looks like nobody',
    on: POSTGRES,
    caughtBy: ['whatever fails'],
    change: (legacy) => ({
      ...legacy,
      take: (...args) => legacy.take(...args).catch(() => undefined),
      remove: (...args) => legacy.remove(...args).catch(() => undefined),
    }),
  },
  {
    name: 'every session may go unused for as long as others',
    on: REDIS,
    caughtBy: ['remembered for longer'],
    change: (legacy) => ({
      ...legacy,
      take: async (...args) => {
        const found = await legacy.take(...args);
        return found && { ...found, idleTimeout: undefined };
      },
    }),
  },
  {
    name: 'the user is not told',
    on: POSTGRES,
    caughtBy: ['finds user and data, once'],
    change: (legacy) => ({
      ...legacy,
      take: async (...args) => {
        const found = await legacy.take(...args);
        return found && { ...found, user: undefined };
      },
    }),
  },
];
