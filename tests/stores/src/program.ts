import { type ChildProcess, fork } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';

let programs = 0;

/** A TypeScript file of a test, made ready to be started again and again. */
export interface Program {
  start(args?: readonly string[]): ChildProcess;
  remove(): Promise<void>;
}

/** Bundles a TypeScript file of a test with the sources of the packages. */
export async function buildProgram(entry: string): Promise<Program> {
  // Beside the entry, so that packages are found from there.
  const folder = join(dirname(entry), 'node_modules', '.programs');
  await mkdir(folder, { recursive: true });
  const outdir = join(folder, `${process.pid}-${programs++}`);
  await build({
    entryPoints: { main: entry },
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    // What it imports when it needs it is not loaded before.
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['@sessionkit/source'],
    external: [
      'cookie-signature',
      'esbuild',
      'ioredis',
      'redis',
      'pg',
      'mysql2',
      'memcache-client',
      'couchbase',
    ],
    logLevel: 'error',
  });
  return {
    start(args = []) {
      const child = fork(join(outdir, 'main.mjs'), args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
      const end = () => child.kill('SIGKILL');
      process.once('exit', end);
      child.once('exit', () => process.off('exit', end));
      return child;
    },
    remove: () => rm(outdir, { recursive: true, force: true }),
  };
}

/**
 * Starts a TypeScript file of a test as a process of its own, with the sources of the packages. It talks by `process.send`; an argument is one
 * string. Killed when this process ends.
 */
export async function startProgram(entry: string, args: readonly string[] = []): Promise<ChildProcess> {
  const program = await buildProgram(entry);
  const child = program.start(args);
  child.once('exit', () => void program.remove());
  return child;
}

/** The next message of a program; fails when it ends without one. */
export function nextMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Error('the program ended and said nothing'));
    child.once('exit', gone);
    child.once('message', (message) => {
      child.off('exit', gone);
      resolve(message);
    });
  });
}
