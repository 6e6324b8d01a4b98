import { LONG } from '@sessionkit/test-stores/run';
import { faultMutation } from '@sessionkit/testkit';
import { single } from './store-harness.js';

// Its writes may arrive late, so that the long run has it refuse all mutants.
const report = await faultMutation(single, { only: (name) => LONG || name.startsWith('down during') });
process.send?.(report, () => process.exit(0));
