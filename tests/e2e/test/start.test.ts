import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type LaunchOptions, Program, repository, until } from './app.js';
import { send } from './client.js';

const sh = async (script: string) => (await promisify(execFile)('sh', ['-c', script])).stdout;

/** What `npm start` runs once everything is built. */
class Demo extends Program {
  constructor(env: LaunchOptions['env'] = {}) {
    super([], { script: join(repository, 'scripts', 'start.mjs'), cwd: repository, env });
  }

  ready(): Promise<true> {
    return until(
      'what npm start prints',
      () => this.stdout.includes('new session.') && this.lines.length >= 6,
    );
  }

  /** The command lines that it prints, in order. */
  get lines(): readonly string[] {
    return [...this.stdout.matchAll(/^ {2}(curl .*)$/gm)].map(([, line]) => line ?? '');
  }

  url(what: string): string {
    return new RegExp(`^ {2}${what} +(http://\\S+)`, 'm').exec(this.stdout)?.[1] ?? '';
  }
}

/** Runs the printed lines as they stand, each in a shell of its own, and answers what they print. */
async function walk(demo: Demo): Promise<readonly string[]> {
  const outputs: string[] = [];
  for (const line of demo.lines) outputs.push(await sh(line));
  return outputs;
}

function expectStory(outputs: readonly string[]): string {
  const [first = '', second = '', list = '', end = '', refused = '', fresh = ''] = outputs;
  expect(outputs).toHaveLength(6);
  const id = /session (s[0-9a-z]+)/.exec(first)?.[1] ?? 'none';
  expect(first).toBe(`Hello stranger, visit 1, session ${id}\n`);
  expect(second).toBe(`Hello stranger, visit 2, session ${id}\n`);
  const { data } = JSON.parse(list) as { data: readonly { id: string; attributes: object }[] };
  expect(data.map((session) => session.id)).toContain(id);
  expect(end).toMatch(/^HTTP\/1\.1 204 /);
  expect(JSON.parse(refused)).toMatchObject({ status: 401, code: 'session_ended' });
  expect(fresh).toMatch(/^Hello stranger, visit 1, session s/);
  expect(fresh).not.toContain(id);
  return id;
}

describe('npm start', () => {
  it('prints command lines that work as printed, and again after a second start', async () => {
    const ids: string[] = [];
    for (const round of [1, 2]) {
      const demo = new Demo();
      await demo.ready();
      const outputs = await walk(demo);
      ids.push(expectStory(outputs));
      const jar = /-c '([^']+)'/.exec(demo.lines[0] ?? '')?.[1] ?? '';
      const users = join(dirname(jar), 'users.json');
      expect([existsSync(jar), existsSync(users)], `round ${round}`).toEqual([true, true]);
      expect(await demo.stop('SIGINT')).toBe(0);
      const { stdout } = demo;
      // The throwaway folder is gone, and so is everything that listened.
      expect(existsSync(dirname(jar))).toBe(false);
      for (const what of ['with sessions', 'without', 'admin API']) {
        expect(stdout).toContain(demo.url(what));
        await expect(send(demo.url(what))).rejects.toThrow(/ECONNREFUSED/);
      }
      // The password is printed, and stands in no line of the access log.
      const password = /password (\S+)/.exec(stdout)?.[1] ?? 'none';
      const access = stdout.split('\n').filter((line) => line.startsWith('{'));
      expect(access.length).toBeGreaterThanOrEqual(6);
      expect(access.join()).not.toContain(password);
    }
    expect(ids[0]).not.toBe(ids[1]);
  });

  it('takes free ports where the usual ones are taken, and the ones it is told', async () => {
    const blockers = [8080, 8989, 9001].map((port) =>
      createServer()
        .on('error', () => {})
        .listen(port, '127.0.0.1'),
    );
    try {
      const demo = new Demo();
      await demo.ready();
      for (const what of ['with sessions', 'without', 'admin API']) {
        expect(demo.url(what)).not.toMatch(/:(8080|8989|9001)\b/);
      }
      expect((await send(demo.url('with sessions'))).body).toMatch(/visit 1/);
      expect(await demo.stop()).toBe(0);

      const told = new Demo({ PORT: new URL(demo.url('with sessions')).port });
      await told.ready();
      expect(told.url('with sessions')).toBe(demo.url('with sessions'));
      expect(await told.stop()).toBe(0);
    } finally {
      for (const blocker of blockers) blocker.close();
    }
  });

  it('says so when a port that it is told is taken', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await until('a port', () => blocker.listening);
    const { port } = blocker.address() as { port: number };
    const demo = new Demo({ PORT: String(port) });
    expect(await demo.ended).toBe(1);
    expect(demo.stderr).toContain(`port ${port} on 127.0.0.1 is taken`);
    blocker.close();
  });
});
