import { faultMutation } from '@sessionkit/testkit';
import { single } from './store-harness.js';

const report = await faultMutation(single);
process.send?.(report, () => process.exit(0));
