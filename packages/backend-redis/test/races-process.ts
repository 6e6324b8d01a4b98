import { raceProcess } from '@sessionkit/test-stores/race-process';
import { cluster, connectBySentinel, connectToCluster, sentinel } from './many-harness.js';
import { mutants } from './races-mutants.js';
import { connectTo, single } from './store-harness.js';

await raceProcess(
  { [single.name]: connectTo, [sentinel.name]: connectBySentinel, [cluster.name]: connectToCluster },
  mutants,
);
