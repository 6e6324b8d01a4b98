import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { eventually } from './report.mjs';

const require = createRequire(import.meta.url);

/** The program that a package brings, as `npx` would find it. */
export function programOf(name, bin) {
  const manifest = require.resolve(`${name}/package.json`);
  return join(dirname(manifest), JSON.parse(readFileSync(manifest, 'utf8')).bin[bin]);
}

const running = new Set();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A process of the example; it can be killed, and started again as it was. */
export class Process {
  #child;
  #args;
  #options;
  #exit;
  /** What it has written since it was started last. */
  stdout = '';
  stderr = '';

  constructor(name, args, options) {
    this.name = name;
    this.#args = args;
    this.#options = options;
  }

  get pid() {
    return this.#child.pid;
  }

  /** Resolves when `ready` finds something in what it has written, with that. */
  async start(ready) {
    this.stdout = '';
    this.stderr = '';
    const child = spawn(process.execPath, this.#args, {
      ...this.#options,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    running.add(child);
    this.#exit = once(child, 'exit').then(([code, signal]) => {
      running.delete(child);
      return code ?? signal;
    });
    child.stdout.setEncoding('utf8').on('data', (text) => {
      this.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      this.stderr += text;
    });
    const { found } = await eventually(
      `${this.name} to listen`,
      () => {
        if (child.exitCode !== null) throw new Error(`${this.name} ended:\n${this.stderr}`);
        return ready.exec(this.stdout + this.stderr)?.[1];
      },
      30_000,
    );
    return found;
  }

  signal(signal) {
    this.#child.kill(signal);
  }

  /** Ends it, and answers how it ended. */
  async end(signal) {
    this.#child.kill(signal);
    return this.#exit;
  }

  /** Lines of the process log. */
  get log() {
    return this.stderr
      .split('\n')
      .slice(0, -1)
      .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
  }
}

/** Runs a program to its end. */
export async function run(args, options) {
  const child = spawn(process.execPath, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      out += text;
    });
  const [code] = await once(child, 'close');
  return { code, out };
}
