// A machine on which a contributor has Node and nothing else: every program that installs, or that is a store, is a trap that notes its name.
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Done, remove, run, temporary } from './world.js';

const TRAPS = ['apt', 'apt-get', 'dpkg', 'brew', 'sudo', 'su', 'docker', 'flock', 'npm', 'npx', 'pnpm'];
const STORES = ['redis-server', 'redis-cli', 'initdb', 'postgres', 'mariadbd', 'mysqld', 'memcached'];
/** The user `nobody`, where this process may become it. */
const NOBODY = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

export interface PlainRun extends Done {
  /** Traps that were called. */
  readonly called: readonly string[];
}

/** Runs a script of Node's there, as a user who is not root. */
export async function onPlainMachine(cwd: string, script: string, ...args: string[]): Promise<PlainRun> {
  const home = temporary('plain');
  const [bin, own] = [join(home, 'bin'), join(home, 'own')];
  for (const folder of [home, bin, own]) mkdirSync(folder, { recursive: true });
  const notes = join(own, 'called');
  for (const name of [...TRAPS, ...STORES])
    writeFileSync(join(bin, name), `#!/bin/sh\necho ${name} >> '${notes}'\nexit 1\n`, { mode: 0o755 });
  symlinkSync(process.execPath, join(bin, 'node'));
  chmodSync(home, 0o755);
  chmodSync(own, 0o777);
  const env = { PATH: [bin, '/bin'].join(delimiter), HOME: own, TMPDIR: own };
  try {
    const done = await run(process.execPath, [script, ...args], { cwd, env, ...NOBODY });
    const called = existsSync(notes) ? readFileSync(notes, 'utf8').trim().split('\n') : [];
    return { ...done, called };
  } finally {
    remove(home);
  }
}
