import { processEnvironment } from '@sessionkit/session-core';
import { hostileOn } from '@sessionkit/test-stores/hostile';
import { LONG } from '@sessionkit/test-stores/run';
import { couchbase } from '../src/index.js';
import module from '../src/module.js';
import resource from '../src/resource.js';
import { hostileHarness } from './hostile.js';
import { startPlace, valid } from './store.js';

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

// Lists of Couchbase look at every partition, and each step of the random run lists.
await hostileOn(runs, { later: [`${store}, every name changed`], steps: LONG ? 500 : 60 });
