import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const READY_WITHIN = 15_000;
const ANSWERED_WITHIN = 15_000;

/** Whether a shown output is what came out: `…` stands for anything, an id of a session for any id, an instant for any instant. */
export function fits(shown: string, out: string): boolean {
  const parts = shown
    .trimEnd()
    .split('…')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .map((part) => part.replace(/\bs[0-9a-z]{26}\b/g, 's[0-9a-z]{26}'))
    .map((part) => part.replace(/\b\d{4}-\d\d-\d\dT[\d:]{8}(\\\.\d{3})?Z\b/g, '[-T\\d:.]+Z'));
  return new RegExp(`^${parts.join('[\\s\\S]*?')}$`).test(out.replaceAll('\r\n', '\n').trimEnd());
}

/** A shell, as a reader of a document has one: variables and programs in the background stay. */
export class Shell {
  readonly #folder: string;
  readonly #child: ChildProcess;
  #out = '';
  #programs = 0;

  constructor(folder: string, env: NodeJS.ProcessEnv) {
    this.#folder = folder;
    // In a group of its own, so that what it leaves running ends with it.
    this.#child = spawn('bash', ['--norc', '--noprofile'], {
      cwd: folder,
      env,
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#out += chunk;
    });
  }

  /** Runs a command to its end; answers what it printed on both of its outputs. */
  async run(command: string): Promise<{ readonly out: string; readonly code: number }> {
    this.#out = '';
    this.#child.stdin?.write(`{ ${command}\n} 2>&1 </dev/null\nprintf '\\n<end %d>\\n' $?\n`);
    const end = /\n<end (\d+)>\n$/;
    await until(
      `the end of: ${command}`,
      ANSWERED_WITHIN,
      () => end.test(this.#out),
      () => this.#out,
    );
    return { out: this.#out.replace(end, ''), code: Number(end.exec(this.#out)?.[1]) };
  }

  /** Starts a program in the background, and waits until it has printed what is shown. */
  async start(command: string, shown: string): Promise<void> {
    const log = join(this.#folder, `.program-${++this.#programs}.log`);
    await this.run(`{ { ${command}; } >${log} 2>&1; touch ${log}.end; } &`);
    const out = () => (existsSync(log) ? onTerminal(readFileSync(log, 'utf8')) : '');
    const ready = () => {
      const ended = existsSync(`${log}.end`);
      if (fits(shown, out())) return true;
      if (ended)
        throw new Error(`${command} ended before it printed ${JSON.stringify(shown)}; it printed\n${out()}`);
      return false;
    };
    await until(`${command} to print ${JSON.stringify(shown)}`, READY_WITHIN, ready, out);
  }

  close(): void {
    if (this.#child.pid !== undefined && this.#child.exitCode === null)
      process.kill(-this.#child.pid, 'SIGKILL');
  }
}

/** A process log as a terminal shows it, where each line is the message alone. */
const onTerminal = (log: string) =>
  log.replace(/^\{"level":.*\}$/gm, (line) => String((JSON.parse(line) as { readonly msg: unknown }).msg));

async function until(what: string, ms: number, holds: () => boolean, seen: () => string): Promise<void> {
  for (const start = Date.now(); !holds(); await pause(10))
    if (Date.now() - start > ms) throw new Error(`waited ${ms} ms for ${what}\nuntil then:\n${seen()}`);
}
