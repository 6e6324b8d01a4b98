import { factsOf } from '@sessionkit/test-stores/facts';
import { single } from './store-harness.js';

factsOf(single);
