import { join } from 'node:path';
import { testEnvironment } from '@sessionkit/testkit';
import { createUsers } from '../src/index.js';
import { CHEAP, temporaryFolder } from './fixture.js';

/** Users in a file of their own, and how to open it once more. */
export async function openUsers() {
  const environment = testEnvironment();
  const file = join(await temporaryFolder(), 'users.json');
  const users = createUsers({ file, cost: CHEAP, environment });
  return { environment, file, users, again: () => createUsers({ file, cost: CHEAP, environment }) };
}
