/** The reader's own module, of which the documents import what they are about. */
export const OWN = `
import { memory } from '@sessionkit/backend-memory';
import type { Backend, Environment, Filter } from '@sessionkit/session-core';

interface Options {
  readonly server: { readonly host: string; readonly port: number } | undefined;
  readonly deadline: number | undefined;
  readonly log: Environment['log'] | undefined;
}
export declare function myBackend(options: Options | string): Backend;
export declare function myFilter(options: { readonly limit: number; readonly now: () => number }): Filter;
export { cookie } from '@sessionkit/transport-cookie';
export { memory };
`;

/** What stands before a fragment of TypeScript, by document and by a text that the block has. */
export const TYPES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'packages/testkit/README.md': {
    'await faultSuite(harness)': `
import { myBackend } from '../src/index.js';
declare function startMine(options: { readonly port: number }): Promise<{
  row(id: string): Promise<unknown>;
  write(id: string, text: string): Promise<void>;
  countClients(): Promise<number>;
  kill(signal: string): Promise<void>;
  start(): Promise<void>;
  remove(): Promise<void>;
}>;`,
    "fork('races-process.js', [url])": 'declare const url: string;',
    'await hostileSuite(harness,': "declare const harness: import('@sessionkit/testkit').HostileHarness;",
    'await storeFacts(harness)': "declare const harness: import('@sessionkit/testkit').StoreHarness;",
  },
  'tests/couchbase-double/README.md': {
    'await startDouble()': "import { startDouble } from '@sessionkit/couchbase-double';",
    'await startRelay(': `
import { startDouble, startRelay } from '@sessionkit/couchbase-double';
const double = await startDouble();`,
  },
};
