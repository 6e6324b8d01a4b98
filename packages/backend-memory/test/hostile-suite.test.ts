import { hostileOn } from '@sessionkit/test-stores/hostile';
import { hostileHarness } from './hostile.js';

const odd = { sid: 'session "id"', ip: "o'clock %s", start: '__proto__', stop: ']] stop --' };

await hostileOn({
  memory: hostileHarness(),
  'memory, every name changed': hostileHarness(odd),
});
