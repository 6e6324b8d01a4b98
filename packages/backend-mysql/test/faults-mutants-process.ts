import { faultMutation } from '@sessionkit/testkit';
import { single } from './store-harness.js';

// Any store shows that the other cases can fail, and that of Redis is quicker.
const report = await faultMutation(single, { only: (name) => name.includes('pool') });
process.send?.(report, () => process.exit(0));
