import { factsOf } from '@sessionkit/test-stores/facts';
import { memory } from '../src/index.js';

const start = async () => ({ addresses: [], connect: async () => memory(), stop: async () => {} });
factsOf({ name: 'the process itself', start });
