// What all suites of this project need: the repository, programs that run in it, and the line that `npm test` prints of them.
import { execFile } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const repository = join(import.meta.dirname, '..', '..', '..');

const WITHIN = 180_000;

/** As much of a package.json as is looked at. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean | undefined;
  readonly main?: string | undefined;
  readonly module?: string | undefined;
  readonly types?: string | undefined;
  readonly bin?: Readonly<Record<string, string>> | undefined;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>> | undefined;
  readonly peerDependencies?: Readonly<Record<string, string>> | undefined;
  readonly optionalDependencies?: Readonly<Record<string, string>> | undefined;
}

export const readManifest = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;

/** Every package that is published, as it is on disk: nothing here has to be edited when one is added. */
export const published: readonly Manifest[] = ['packages', 'apps']
  .flatMap((group) => readdirSync(join(repository, group)).map((name) => join(repository, group, name)))
  .filter((folder) => existsSync(join(folder, 'package.json')))
  .map(readManifest)
  .filter((manifest) => manifest.private !== true);

export interface Done {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

/** Runs a program to its end; a code other than 0 is an answer, too. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Done> {
  return new Promise((resolve) => {
    const limits = { timeout: WITHIN, killSignal: 'SIGKILL', maxBuffer: 2 ** 26 } as const;
    execFile(command, args, { ...options, ...limits, encoding: 'utf8' }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, stdout, stderr: error?.code === 'ENOENT' ? error.message : stderr });
    });
  });
}

/** The same for what has to work; answers what it printed. */
export async function must(command: string, args: readonly string[], options?: RunOptions): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${stdout}${stderr}`);
  return stdout;
}

/** A script of the repository. */
export const script = (name: string, ...args: string[]) =>
  must(process.execPath, [join(repository, 'scripts', name), ...args]);

export const temporary = (name: string) => mkdtempSync(join(tmpdir(), `sessionkit-${name}-`));

export const remove = (folder: string) => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });

export function print(line: string): void {
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder === undefined) console.log(line);
  else appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
}
