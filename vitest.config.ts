import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig, type TestProjectConfiguration } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { watchLogs } from './tests/watch/src/instrument.js';

const source = '@sessionkit/source';
const usual = ['module', 'node', 'development|production'];

// pnpm's shim of vitest makes every package of the workspace reachable for all; tests must find what their package names, and no more.
Reflect.deleteProperty(process.env, 'NODE_PATH');

/** These projects see the built packages, as a user does; all others see the sources and need no build. */
const onBuilt = new Set(['e2e']);

/** Their files keep nothing in the modules they load, and share a process that has loaded these once. */
const TOGETHER = new Set([
  'admin-api',
  'backend-couchbase',
  'backend-memcache',
  'backend-memory',
  'backend-mysql',
  'backend-postgres',
  'backend-redis',
  'compose',
  'core',
  'express-session',
  'filter-cache',
  'filter-limit',
  'filter-log',
  'http-fastify',
  'http-fetch',
  'http-node',
  'metrics',
  'router-proxy',
  'session-core',
  'sessionkit',
  'testkit',
  'transport-bearer',
  'transport-cookie',
  'transport-token',
]);

/** `npm test` looks for every issued secret in all that the tests let out; the folder's README says how. */
const watched = Boolean(process.env.SESSIONKIT_REPORT_DIR);
const watch = join(import.meta.dirname, 'tests', 'watch', 'src', 'setup.mjs');

/** `pnpm soak` runs its own files: what stays flat shows only after minutes. */
const soaking = process.env.SESSIONKIT_SOAK_OUT !== undefined;

/** Files that assert times in the long run, by their paths. It runs them first, one after the other, with nothing beside them. */
const TIMED = [
  'packages/backend-couchbase/test/faults-suite.test.ts',
  'packages/backend-memcache/test/backend.test.ts',
  'packages/backend-memcache/test/faults-suite.test.ts',
  'packages/backend-memory/test/sweep.test.ts',
  'packages/backend-mysql/test/faults-suite.test.ts',
  'packages/backend-postgres/test/faults-suite.test.ts',
  'packages/backend-redis/test/failover.test.ts',
  'packages/backend-redis/test/faults-many.test.ts',
  'packages/backend-redis/test/faults-suite.test.ts',
  'tests/e2e/test/endings.test.ts',
  'tests/e2e/test/expiry.test.ts',
  'tests/e2e/test/live.test.ts',
];

/** `only` these or the `rest` without them; neither in other runs. */
const half = process.env.SESSIONKIT_TIMED;
const timedOf = (folder: string) =>
  TIMED.filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1));

const projects: TestProjectConfiguration[] = ['packages', 'apps', 'examples', 'tests'].flatMap((group) =>
  readdirSync(join(import.meta.dirname, group))
    .filter((name) => existsSync(join(import.meta.dirname, group, name, 'package.json')))
    .filter((name) => half !== 'only' || timedOf(`${group}/${name}`).length > 0)
    .map((name) => {
      const timed = timedOf(`${group}/${name}`);
      const conditions = onBuilt.has(name) ? usual : [source, ...usual];
      return {
        plugins: watched ? [watchLogs()] : [],
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: {
          name,
          root: join(import.meta.dirname, group, name),
          include: half === 'only' ? timed : [soaking ? '**/*.soak.ts' : '**/*.test.ts'],
          isolate: !TOGETHER.has(name),
          setupFiles: watched ? [watch] : [],
          exclude: ['**/node_modules/**', '**/dist/**', ...(half === 'rest' ? timed : [])],
          // What an operation may take is asserted where it matters; this only ends what hangs.
          testTimeout: 30_000,
          hookTimeout: 60_000,
          server: { deps: { external: [/\/dist\//] } },
        },
      };
    }),
);

/** One cluster of Couchbase for all files: some of them set its addresses, or kill it. */
const sharedCluster = process.env.COUCHBASE_URL !== undefined;

/** Most suites over real stores wait more than they compute: one file more than there are cores keeps these busy. */
const maxWorkers = half === 'only' || sharedCluster ? 1 : availableParallelism() + 1;

/** What takes longest, by what its path ends in. Begun last, they would keep one core busy while the other has nothing left to do. */
const LONGEST = [
  'backend-couchbase/test/given.test.ts',
  'backend-redis/test/faults-many.test.ts',
  'packages/test/installed.test.ts',
  'examples/operate/run.test.ts',
  'kit/kit.test.ts',
  'e2e/test/endings.test.ts',
  'backend-couchbase/test/faults-suite.test.ts',
  'shared/test/steps.test.ts',
  'e2e/test/reload.test.ts',
  'packages/test/scaffold.test.ts',
  'docs/test/documents.test.ts',
  'stores/test/redis-many.test.ts',
  'backend-redis/test/failover.test.ts',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) => LONGEST.some((path) => moduleId.endsWith(path));
    // A process goes on only with the next file of its own project.
    const sorted = (await super.sort(files)).sort((a, b) => a.project.name.localeCompare(b.project.name));
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: { projects, passWithNoTests: true, maxWorkers, sequence: { sequencer: LongestFirst } },
});
