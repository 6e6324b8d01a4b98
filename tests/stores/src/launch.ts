import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const INSTALL_WITHIN = 300_000;
const READY_WITHIN = 20_000;
const LOG_KEPT = 4_000;

/** A program that tests need, and how a machine without it gets it. */
export interface Program {
  readonly name: string;
  /** Folders to look into beside those of `PATH`. */
  readonly folders?: readonly string[] | undefined;
  /** Debian package that brings it. */
  readonly debian: string;
  /** Homebrew formula that brings it on macOS; left out: the name of the Debian package. */
  readonly macos?: string | undefined;
  /** Environment variable that may name a running server instead. */
  readonly variable: string;
}

/**
 * Where a program is. What is missing is installed when this process is root on Debian, by one process at a time.
 *
 * @throws Error with the line that fixes it.
 */
export async function find(program: Program): Promise<string> {
  const there = look(program);
  if (there !== undefined) return there;
  const install = `apt-get install -y --no-install-recommends ${program.debian}`;
  const brew = `brew install ${program.macos ?? program.debian}`;
  const fix = `${program.name} is not on this machine. Fix on Debian: sudo ${install}   on macOS: ${brew}   (or set ${program.variable})`;
  if (process.getuid?.() !== 0 || look({ ...program, name: 'apt-get' }) === undefined) throw new Error(fix);
  const lock = join(tmpdir(), 'sessionkit-apt.lock');
  const script = `command -v "$0" || ${install} || (apt-get update && ${install})`;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('flock', [lock, 'sh', '-c', script, program.name], { env, timeout: INSTALL_WITHIN }).catch(
    (cause) => {
      throw new Error(fix, { cause });
    },
  );
  const now = look(program);
  if (now === undefined) throw new Error(fix);
  return now;
}

/** Where packages put programs beside the folders of `PATH`: Debian its servers, Homebrew everything, by processor. */
const USUAL = ['/usr/sbin', '/opt/homebrew/bin', '/usr/local/bin'];

function look({ name, folders = [] }: Program): string | undefined {
  const places = [...(process.env.PATH ?? '').split(delimiter), ...USUAL, ...folders];
  return places.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Ports of servers, and those that a Cluster puts 10,000 above them, lie below the ports from which systems make connections (32,768 on Linux by itself): none is taken by
 * somebody's connection while its server is down. A `FaultProxy` has its ports between 25,000 and that.
 */
const PORTS = { first: 10_000, count: 5_000 };
/** Each process goes on from a place of its own, and gives no port twice: those that it has given may not be taken yet. */
let next = process.pid * 97;

/** A loopback port that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.first + (next++ % PORTS.count);
    if (await isFree(port)) return port;
  }
}

/** @throws what listening on it fails with, but that somebody else does. */
export function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** A folder of its own below the system's temporary one, which other users can reach. {@link Server.stop} removes it. */
export async function throwawayFolder(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `sessionkit-${name}-`));
  await chmod(folder, 0o755);
  return folder;
}

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  /** Removed when the server is stopped or this process is gone. */
  readonly folder: string;
  /** System user to run as, for servers that refuse root. */
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Whether it takes requests by now; asked again and again, a throw counts as no. */
  readonly ready: () => Promise<boolean>;
}

/** A running server process that does not outlive this one, however this one ends. */
export class Server {
  readonly #launch: Launch;
  #child: ChildProcess | undefined;
  #guard: ChildProcess | undefined;
  #log = '';

  constructor(launch: Launch) {
    this.#launch = launch;
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error('the server is not running');
    return this.#child.pid;
  }

  /** Starts it, the first time or again in the same folder, and waits until it is ready. */
  async start(): Promise<void> {
    const { command, args, folder, uid, gid, env, ready } = this.#launch;
    const identity = { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) };
    const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], env, ...identity });
    this.#child = child;
    const note = (chunk: Buffer) => {
      this.#log = (this.#log + chunk.toString()).slice(-LOG_KEPT);
    };
    child.stdout?.on('data', note);
    child.stderr?.on('data', note);
    child.on('error', (error) => note(Buffer.from(String(error))));
    const until = Date.now() + READY_WITHIN;
    if (child.pid !== undefined) this.#protect(child.pid);
    while (!(await ready().catch(() => false))) {
      if (child.exitCode !== null || child.pid === undefined || Date.now() > until) {
        await this.stop();
        throw new Error(`${command} did not start:\n${this.#log}`);
      }
      await pause(10);
    }
  }

  /** Resolves when the process that runs now is gone, whoever ended it. The folder stays. */
  async gone(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    await new Promise((resolve) => child.once('exit', resolve));
  }

  /** SIGKILL: what a power cut is to it. The folder stays. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Ends it and removes its folder. */
  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.#end(signal);
    await rm(this.#launch.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      // A process that has nothing else to do stays for this.
      child.ref();
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill(signal);
      await gone;
    }
    this.#guard?.kill('SIGKILL');
    this.#guard = undefined;
  }

  /** A shell that reads a pipe of this process: when the pipe closes, this process is gone, and the server goes too. */
  #protect(pid: number): void {
    const script = 'read -r _; kill -9 "$0"; rm -rf "$1"';
    this.#guard = spawn('sh', ['-c', script, String(pid), this.#launch.folder], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#guard.unref();
    this.#child?.unref();
  }
}
