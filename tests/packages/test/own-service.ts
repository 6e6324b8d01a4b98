// The Express service of the guide to sessions in one's own service, beside packages from their tarballs, on a Redis.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from './guide.js';

const guide = join(import.meta.dirname, '..', '..', '..', 'docs', 'embedding.md');
const installed = join(import.meta.dirname, '..', 'node_modules');

/** Versions of Express, by the name that each is installed under here. */
export const EXPRESS = ['express', 'express4'] as const;

/** Writes the files of the guide into `folder`, with this Express beside them. */
export function writeService(folder: string, express: (typeof EXPRESS)[number], admin: string): void {
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  symlinkSync(join(installed, express), join(folder, 'node_modules', 'express'));
  symlinkSync(join(installed, 'ws'), join(folder, 'node_modules', 'ws'));
  const text = readFileSync(guide, 'utf8');
  for (const name of ['app.mjs', 'shared.mjs', 'app.test.mjs', 'sessionkit.yaml']) {
    const [, block] = new RegExp(`\`\`\`\\w+\n((?://|#) ${name}\n[\\s\\S]*?)\`\`\``).exec(text) ?? [];
    if (block === undefined) throw new Error(`the guide has no ${name}`);
    writeFileSync(join(folder, name), block.replace('127.0.0.1:8989', admin));
  }
}

export interface Program {
  /** All that it has printed, on either output. */
  readonly lines: readonly string[];
  /** Asks it to end; answers its exit code. */
  close(): Promise<number | null>;
}

/** Starts a program, and waits until it has printed what is told. */
export async function start(
  folder: string,
  args: readonly string[],
  env: object,
  told: RegExp,
): Promise<Program> {
  const child = spawn(process.execPath, args, { cwd: folder, env: { PATH: process.env.PATH, ...env } });
  const lines: string[] = [];
  const closed = once(child, 'close') as Promise<[number | null]>;
  const ready = new Promise<void>((resolve) => {
    for (const output of [child.stdout, child.stderr])
      createInterface(output).on('line', (line) => {
        lines.push(line);
        if (told.test(line)) resolve();
      });
  });
  await Promise.race([
    ready,
    closed.then(([code]) => {
      throw new Error(`${args.join(' ')} ended with ${code}\n${lines.join('\n')}`);
    }),
  ]);
  const close = async () => {
    child.kill();
    return (await closed)[0];
  };
  return { lines, close };
}

/** `shared.mjs` on a free port, on the Redis of this URL. */
export async function startService(folder: string, redis: string, told: RegExp = /^http/) {
  const port = await freePort();
  const program = await start(folder, ['shared.mjs'], { PORT: port, REDIS_URL: redis }, told);
  return { ...program, url: `http://127.0.0.1:${port}` };
}
