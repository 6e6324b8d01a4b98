import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** An example while it runs. */
export interface RunningExample {
  readonly url: string;
  /** Ends it as an operator does; answers its exit code. */
  stop(): Promise<number | null>;
}

/** Starts the `server.mjs` of a folder as somebody does who has installed its packages: it needs them built. */
export async function startExample(folder: string, env: NodeJS.ProcessEnv): Promise<RunningExample> {
  const child: ChildProcess = spawn(process.execPath, [join(folder, 'server.mjs')], {
    env: { ...process.env, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  const exit = once(child, 'exit').then(([code]) => code as number | null);
  const said = once(child.stdout as NodeJS.ReadableStream, 'data').then(([line]) => String(line));
  const line = await Promise.race([
    said,
    exit.then((code) => Promise.reject(new Error(`it ended: ${code}`))),
  ]);
  return {
    url: line.replace(/^\w+: /, '').trim(),
    async stop() {
      child.kill('SIGTERM');
      const code = await exit;
      process.off('exit', end);
      return code;
    },
  };
}

/** A client with a cookie jar. */
export function browser() {
  let jar = '';
  return async (url: string, method = 'GET') => {
    const answer = await fetch(url, { method, headers: jar === '' ? {} : { cookie: jar } });
    for (const field of answer.headers.getSetCookie())
      jar = /max-age=0/i.test(field) ? '' : (field.split(';')[0] ?? '');
    return { status: answer.status, body: await answer.text() };
  };
}

/** Does what the console of a README does, at these URLs in place of ports 8080, 8081, …; answers what it shows and what was answered. */
export async function replayed(folder: string, urls: readonly string[]) {
  const text = readFileSync(join(folder, 'README.md'), 'utf8');
  const [, console = ''] = /```console\n(.*?)```/s.exec(text) ?? [];
  const visit = browser();
  const shown: string[] = [];
  const answered: string[] = [];
  for (const [, method = 'GET', port, path, lines = ''] of console.matchAll(
    /^\$ curl [^\n]*?(?:-X (\w+) )?http:\/\/127\.0\.0\.1:(\d+)(\S*)\n((?:[^$\n].*\n)*)/gm,
  )) {
    shown.push(lines);
    answered.push((await visit(`${urls[Number(port) - 8080]}${path}`, method)).body);
  }
  return { shown, answered };
}
