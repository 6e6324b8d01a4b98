import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startPostgres } from '@sessionkit/test-stores/postgres';
import { startRedis } from '@sessionkit/test-stores/redis';
import { expect, it } from 'vitest';

const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8');
/** How it says that the script is started: by the variable that names the store. */
const STARTS = new Map(
  [...readme.matchAll(/^(\w+_URL)=\S+ node (run\.mjs)$/gm)].map(([, variable, script]) => [variable, script]),
);
/** What it shows of the end of a run. */
const [, SHOWN = ''] = /```text\n(.*?)```/s.exec(readme) ?? [];
const measured = (line: string) => line.replace(/\d+(\.\d+)?/g, 'N');

/** How long the store stays away when it is killed, in ms. */
const DOWN = 1_000;

const STORES = {
  async Redis() {
    const { url, server, stop } = await startRedis({ durable: true });
    return { env: { REDIS_URL: url }, server, stop };
  },
  async PostgreSQL() {
    const { url, server, stop } = await startPostgres({ durable: true });
    return { env: { DATABASE_URL: url }, server, stop };
  },
};

it.each(Object.entries(STORES))(
  'every verb of an operator takes effect across processes on %s, and nothing acknowledged is lost when its parts are killed',
  async (name, startStore) => {
    const { env, server, stop } = await startStore();
    if (server === undefined) throw new Error('a store that is killed must be one of our own');
    const [variable = ''] = Object.keys(env);
    const script = STARTS.get(variable) ?? expect.fail(`the README has no start with ${variable}`);
    const args = [join(import.meta.dirname, script), '--store-pid', String(server.pid)];
    const child = spawn(process.execPath, args, {
      env: { ...process.env, REDIS_URL: undefined, DATABASE_URL: undefined, ...env },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    const closed = once(child, 'close');
    let over = false;
    try {
      // The script kills it; here it is started again after a while, as a supervisor does.
      const supervised = server.gone().then(async () => {
        if (over) return;
        await server.kill();
        await pause(DOWN);
        await server.start();
      });
      const [code] = await closed;
      expect(code, output).toBe(0);
      await supervised;
      for (const line of SHOWN.split('\n').filter((each) => /\w/.test(each)))
        expect(measured(output)).toContain(measured(line));
      expect(output).toMatch(/all seen; \d+ visits acknowledged, none lost/);
      const line = `scenario on ${name}: ${output.trim().split('\n').at(-1)}`;
      const folder = process.env.SESSIONKIT_REPORT_DIR;
      if (folder) appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
      console.log(line);
    } finally {
      over = true;
      child.kill('SIGKILL');
      await stop();
    }
  },
  240_000,
);
