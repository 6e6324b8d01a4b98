import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { processEnvironment } from '@sessionkit/session-core';
import { hostileLine, hostileSuite } from '@sessionkit/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { couchbase } from '../src/index.js';
import module from '../src/module.js';
import resource from '../src/resource.js';
import { hostileHarness } from './hostile.js';
import { startPlace, valid } from './store.js';

const WITHIN = 300_000;
const LONG = process.env.SESSIONKIT_LONG === '1';
const place = await startPlace();
const documents = await place.documents();
const environment = { ...processEnvironment, log: () => {} };
const { url, user, password, bucket, name: store } = place;
const login = valid(resource, { _class: 'couchbase', cluster: url, bucket, user, password });
const connection = resource.create(login, { environment });
place.atEnd(() => resource.close(connection));
const context = { environment, path: 'session.backend', deadline: 10_000, resource: () => connection };
const fields = { token: 'a.b', ip: '`', start: '[0]', stop: '\u0000' };

const runs = {
  [store]: hostileHarness(
    (prefix) => couchbase(documents, { prefix, deadline: 10_000 }),
    documents,
    // Each damage costs some ten lists: usually not every one is tried.
    { damaged: true, each: LONG ? 1 : 6 },
  ),
  // What is wrong with a document has nothing to do with the names that people read.
  [`${store}, every name changed`]: hostileHarness(
    (key_ns) =>
      module.create(valid(module, { type: 'couchbase', resource: 'store', key_ns, fields }), context),
    documents,
    { damaged: false, each: 1 },
  ),
};
/** Run by `npm run test:long` only: what they show beyond the others is little, and each takes its time. */
const LATER = new Set([`${store}, every name changed`]);

for (const [name, harness] of Object.entries(runs)) {
  if (!LONG && LATER.has(name)) continue;
  const { tests, tally } = await hostileSuite(harness, { steps: LONG ? 2_000 : 60, seed: name.length });

  describe(`${name}: hostile values are kept or refused, and harm nobody`, () => {
    for (const one of tests) it(one.name, one.run, WITHIN);

    afterAll(() => {
      expect(tally.changed).toBe(0);
      const line = hostileLine(name, tally);
      const folder = process.env.SESSIONKIT_REPORT_DIR;
      if (folder === undefined) console.log(line);
      else appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
    });
  });
}
