import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..', '..');
const cleanup: (() => void)[] = [];

afterEach(() => {
  for (const step of cleanup.splice(0)) step();
});

/** The first fenced block of a language in a README, such as `js` or `js embedded`. */
function block(readme: string, language: string): string {
  const text = readFileSync(join(root, readme), 'utf8');
  const found = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(text)?.[1];
  if (found === undefined) throw new Error(`${readme} has no ${language} block`);
  return found;
}

/** A program in a folder from which the packages of this repository are found, as in a project that installed them. */
function program(code: string): string {
  const folder = mkdtempSync(join(import.meta.dirname, '..', '.readme-'));
  cleanup.push(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'program.mjs');
  writeFileSync(file, code);
  return file;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

test('the example of session-core prints what its README says', async () => {
  const readme = 'packages/session-core/README.md';
  const { stdout } = await run(process.execPath, [program(block(readme, 'js'))]);
  expect(stdout).toBe(block(readme, 'text'));
});

test('the service of the first page answers its curl lines as printed', async () => {
  const port = await freePort();
  const local = (text: string) => text.replaceAll('8080', String(port));
  const [start, said, ...console] = local(block('README.md', 'console')).trimEnd().split('\n');
  expect(start).toBe('$ node server.mjs &');
  const file = program(local(block('README.md', 'js')));
  const server: ChildProcess = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanup.push(() => server.kill());
  if (server.stdout === null) throw new Error('no output');
  const [chunk] = (await once(server.stdout, 'data')) as [Buffer];
  expect(chunk.toString().trimEnd()).toBe(said);
  for (let i = 0; i < console.length; i += 2) {
    const command = console[i]?.replace(/^\$ /, '') ?? '';
    const { stdout } = await run('sh', ['-c', command], { cwd: join(file, '..') });
    expect(stdout.trimEnd(), command).toBe(console[i + 1]);
  }
  expect(console.length).toBe(6);
});

test.each([
  ['js', 'console', '8989'],
  ['js embedded', 'console embedded', '3000'],
])('the program of admin-api in %j answers its curl lines as printed', async (language, console, usual) => {
  const readme = 'apps/admin-api/README.md';
  const port = await freePort();
  const local = (text: string) => text.replaceAll(usual, String(port));
  // A command, and the lines that it prints.
  const steps = local(block(readme, console))
    .split(/^\$ /m)
    .slice(1)
    .map((step) => [step.slice(0, step.indexOf('\n')), step.slice(step.indexOf('\n') + 1)] as const);
  const code = local(block(readme, language)).replace('port: 8989', `port: ${port}`);
  const file = program(code);
  const server: ChildProcess = spawn(process.execPath, [file], {
    cwd: join(file, '..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanup.unshift(() => server.kill());
  if (server.stdout === null) throw new Error('no output');
  const [chunk] = (await once(server.stdout, 'data')) as [Buffer];
  const [[start = '', said = ''] = [], ...asked] = steps;
  expect(start).toMatch(/^node \w+\.mjs &$/);
  expect(chunk.toString()).toBe(said);
  for (const [command, printed] of asked) {
    const { stdout } = await run('sh', ['-c', command], { cwd: join(file, '..') });
    expect(stdout.trimEnd(), command).toBe(printed.trimEnd());
  }
  expect(asked.length).toBeGreaterThanOrEqual(2);
});
