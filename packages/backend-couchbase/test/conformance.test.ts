import { type Backend, can, processEnvironment } from '@sessionkit/session-core';
import { due } from '@sessionkit/test-stores/run';
import { type BackendHarness, backendSuite } from '@sessionkit/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Connection } from '../src/connection.js';
import { couchbase } from '../src/index.js';
import module from '../src/module.js';
import resource from '../src/resource.js';
import { lookingPast, newPrefix, startPlace, valid } from './store.js';

const place = await startPlace();
const environment = { ...processEnvironment, log: () => {} };
const [first, second] = await Promise.all([place.cluster(), place.cluster()]);
/** In another collection documents have another place. */
const others = { scope: 'shop', collection: 'sessions' };
await place.management.addCollection(others.scope, others.collection);
/** The kit asks for much at a time, on machines that are busy; deadlines are the fault suite's. */
const PATIENT = 30_000;
const names = { token: 'id “1”', ip: 'ipAdress', start: 'startDate', stop: '__proto__' };

/** Two instances as two processes have them, under a prefix that is used for nothing else. */
function harnessOf(
  make: (prefix: string, n: number) => Backend | Promise<Backend>,
  { scope = '_default', collection = '_default' } = {},
): BackendHarness {
  return {
    async open() {
      const prefix = newPrefix();
      const [a, b] = [await make(prefix, 0), await make(prefix, 1)];
      const documents = first.bucket(place.bucket).scope(scope).collection(collection);
      return {
        a,
        b,
        ...lookingPast(documents, prefix),
        close: async () => {
          await Promise.all([a.close(), b.close()]);
        },
      };
    },
  };
}

/** Through the code entry, on clusters that the caller has connected. */
const inCode = (options: object, { scope = '_default', collection = '_default' } = {}) =>
  harnessOf(
    (prefix, n) => {
      const cluster = n === 0 ? first : second;
      const documents = cluster.bucket(place.bucket).scope(scope).collection(collection);
      return couchbase(documents, { prefix, deadline: PATIENT, ...options });
    },
    { scope, collection },
  );

/** Through the modules that a YAML file names. */
function inYaml(section: object) {
  const { url, user, password, bucket } = place;
  const login = valid(resource, { _class: 'couchbase', cluster: url, bucket, user, password });
  const connections = [1, 2].map(() => resource.create(login, { environment }) as Connection);
  afterAll(() => Promise.all(connections.map((connection) => resource.close(connection))));
  // The thread that scans is started by the first list, and may be slow to come on a busy machine.
  beforeAll(async () => {
    const range = { after: 's', to: 's', most: 1 };
    for (const connection of connections) await connection.access('_default', '_default').scan(range, 30_000);
  }, 60_000);
  return harnessOf((key_ns, n) => {
    const config = { type: 'couchbase', resource: 'store', key_ns, ...section };
    const context = {
      environment,
      path: 'session.backend',
      deadline: PATIENT,
      resource: () => connections[n],
    };
    return module.create(valid(module, config), context);
  }, section);
}

const runs = {
  'in code': inCode({}),
  'in code, every name changed, in another collection': inCode({ names }, others),
  'from YAML': inYaml({}),
  'from YAML, every name changed, in another collection': inYaml({ fields: names, ...others }),
};

/** Run by `npm run test:long` only: they stand between the others. */
const LATER = ['in code, every name changed, in another collection', 'from YAML'] as const;

for (const [what, harness] of due(runs, LATER)) {
  const tests = await backendSuite(harness);
  describe(`the couchbase backend ${what}, on ${place.name}, keeps the contract of a backend`, () => {
    for (const { name, run } of tests) it(name, run);
  });
}

it('the module says what the backend can', async () => {
  const backend = couchbase(await place.documents());
  for (const ability of module.abilities) expect(can(backend, ability), ability).toBe(true);
  expect(module.abilities).toHaveLength(4);
  for (const ability of ['watch', 'sweep', 'fences'] as const)
    expect(can(backend, ability), ability).toBe(false);
});
