// A copy of the repository in which a test may add packages: the sources as they are, installed from what pnpm has in its store, with no registry in reach.
import { chmodSync, cpSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { must, type RunOptions, repository, temporary } from './world.js';

const LEFT_OUT = new Set(['node_modules', 'dist', 'coverage', '.git', '.turbo', 'evidence']);
/** Nobody listens there: whatever would be fetched is a failure. */
const NO_REGISTRY = 'http://127.0.0.1:9/';

export interface Workspace {
  readonly folder: string;
  /** Of a user who has pnpm, and of no test run. */
  readonly env: NodeJS.ProcessEnv;
  /** Runs a program of Node's in it, to its end. */
  node(file: string, ...args: string[]): Promise<string>;
}

/** What a program needs to know of this machine, and nothing of the run that starts it. */
export async function plainEnvironment(): Promise<NodeJS.ProcessEnv> {
  const args = ['scripts/run.mjs', 'pnpm', 'exec', 'node', '-p', 'process.env.PATH'];
  const path = await must(process.execPath, args, { cwd: repository });
  const own = path.trim().split(delimiter);
  const { HOME, TMPDIR } = process.env;
  const PATH = own.filter((entry) => !entry.startsWith(join(repository, 'node_modules'))).join(delimiter);
  return { PATH, HOME, TMPDIR, npm_config_registry: NO_REGISTRY };
}

export async function copyWorkspace(): Promise<Workspace> {
  const folder = temporary('workspace');
  chmodSync(folder, 0o755);
  const filter = (source: string) => !LEFT_OUT.has(basename(source));
  cpSync(repository, folder, { recursive: true, filter, verbatimSymlinks: true });
  const env = await plainEnvironment();
  const options: RunOptions = { cwd: folder, env };
  const node = (file: string, ...args: string[]) => must(process.execPath, [file, ...args], options);
  await node('scripts/run.mjs', 'pnpm', 'install', '--frozen-lockfile', '--offline', '--reporter=silent');
  return { folder, env, node };
}

/** How many tests of each project failed and passed, and what the failing ones said. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly messages: readonly string[];
}

interface JsonReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** Project of a test file: the folder of its `test/`. */
const projectOf = (file: string) => basename(dirname(dirname(file)));

/** By project. A file whose tests could not even be collected counts as one that failed. */
export function outcomes(report: JsonReport): ReadonlyMap<string, Outcome> {
  const found = new Map<string, Outcome>();
  for (const { name, message, assertionResults } of report.testResults) {
    const bad = assertionResults.filter(({ status }) => status !== 'passed');
    const broken = assertionResults.length === 0 ? [message] : [];
    const before = found.get(projectOf(name)) ?? { passed: 0, failed: 0, messages: [] };
    found.set(projectOf(name), {
      passed: before.passed + assertionResults.length - bad.length,
      failed: before.failed + bad.length + broken.length,
      messages: [...before.messages, ...bad.flatMap(({ failureMessages }) => failureMessages), ...broken],
    });
  }
  return found;
}
