import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filesOf } from './contents.js';
import { onPlainMachine } from './plain-machine.js';
import { copyWorkspace, type Outcome, outcomes, type Workspace } from './workspace.js';
import { must, print, remove, repository, run } from './world.js';

// A contributor's way from `pnpm new` to green, in a copy of the repository and without a registry.

const WITHIN = 180_000;

const all = [
  { kind: 'backend', name: 'acme-store', from: 'backend-memory', verbs: ['save', 'now'] },
  { kind: 'transport', name: 'acme-field', from: 'transport-token', verbs: ['read', 'issue'] },
  { kind: 'filter', name: 'acme-gate', from: 'filter-limit', verbs: ['open'] },
] as const;
/** A short run scaffolds one. */
const packages = process.env.SESSIONKIT_LONG === '1' ? all : all.slice(0, 1);
const projects = packages.map(({ kind, name }) => `${kind}-${name}`);

interface Scaffold {
  namesOf(kebab: string): object;
  renamed(kind: string, text: string, names: object): string;
}

let workspace: Workspace;
let scaffold: Scaffold;
let began = 0;
const counts: Record<'red' | 'green', number> = { red: 0, green: 0 };

beforeAll(async () => {
  began = Date.now();
  workspace = await copyWorkspace();
  scaffold = await import(pathToFileURL(join(repository, 'scripts', 'scaffold', 'kinds.mjs')).href);
}, WITHIN);

afterAll(() => {
  remove(workspace.folder);
  const took = ((Date.now() - began) / 1000).toFixed(0);
  print(`scaffold: red > 0 (${counts.red}), then ${counts.green}: ${projects.join(', ')} (${took} s)`);
});

/** Runs the tests of the new packages. */
async function test(): Promise<ReadonlyMap<string, Outcome>> {
  const { folder, env } = workspace;
  const report = join(folder, 'report.json');
  const vitest = join(folder, 'node_modules', 'vitest', 'vitest.mjs');
  const selected = projects.map((name) => `--project=${name}`);
  const args = [vitest, 'run', ...selected, '--reporter=json', `--outputFile=${report}`];
  await run(process.execPath, args, { cwd: folder, env });
  return outcomes(JSON.parse(readFileSync(report, 'utf8')));
}

/** What a check of the repository says of the new packages; what it says of others is not theirs. */
async function complaints(check: string): Promise<string[]> {
  const { folder, env } = workspace;
  const { stdout, stderr } = await run(process.execPath, [`scripts/${check}.mjs`], { cwd: folder, env });
  return `${stdout}${stderr}`.split('\n').filter((line) => projects.some((name) => line.includes(name)));
}

/** Types of the new packages, and of what they use. */
async function typecheck(): Promise<void> {
  const { folder, env } = workspace;
  const include = projects.flatMap((name) => [`packages/${name}/src`, `packages/${name}/test`]);
  const config = join(folder, 'tsconfig.new.json');
  writeFileSync(config, JSON.stringify({ extends: './tsconfig.base.json', include }));
  const tsc = join(folder, 'node_modules', 'typescript7', 'bin', 'tsc');
  await must(process.execPath, [tsc, '-p', config], { cwd: folder, env });
}

const sum = (all: ReadonlyMap<string, Outcome>) => [...all.values()].reduce((n, { failed }) => n + failed, 0);

describe('what can be no new package is refused with what to do', () => {
  it.each([
    [[], 'usage: pnpm new <backend|transport|filter> NAME'],
    [['backend'], 'usage: pnpm new <backend|transport|filter> NAME'],
    [['queue', 'acme'], 'there is no kind "queue". usage: pnpm new <backend|transport|filter> NAME'],
    [['backend', 'Acme'], '"Acme" is no name for a package: small letters and digits'],
    [['backend', '../acme'], '"../acme" is no name for a package'],
    [['backend', 'a'.repeat(41)], 'at most 40'],
    [['backend', 'redis'], 'packages/backend-redis is there already: choose another name'],
    [['filter', 'filter-acme'], 'the package will be called filter-NAME by itself: pnpm new filter acme'],
    [['transport', 'default'], '"default" is a word of JavaScript: choose another name'],
    [['backend', 'one', 'two'], 'one name at a time: two is too much'],
  ])('%j', async (args, message) => {
    const options = { cwd: workspace.folder, env: workspace.env };
    const { code, stdout, stderr } = await run(process.execPath, ['scripts/new.mjs', ...args], options);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`sessionkit: ${message.startsWith('at most') ? '' : message}`);
    expect(stderr).toContain(message);
  });
});

describe('a new package', () => {
  it.each(packages)(
    '$kind $name comes with a list of steps',
    async ({ kind, name }) => {
      const told = await workspace.node('scripts/run.mjs', 'new', kind, name);
      expect(told).toContain(`packages/${kind}-${name} is there, and red: its verbs are to be written.`);
      const steps = told.match(/^ {2}\d\. .+$/gm) ?? [];
      expect(steps.length).toBeGreaterThan(3);
      expect(steps.length).toBeLessThan(9);
      // Every file and folder that a step names is there.
      for (const [path] of told.matchAll(/(?:packages|docs)\/[\w./-]+\w/g))
        expect(existsSync(join(workspace.folder, path)), path).toBe(true);
    },
    WITHIN,
  );

  it(
    'passes the checks of the repository as it is',
    async () => {
      const { folder, env } = workspace;
      const folders = projects.map((name) => `packages/${name}`);
      const biome = join(folder, 'node_modules', '.bin', 'biome');
      await must(biome, ['ci', '--colors=off', ...folders], { cwd: folder, env });
      for (const check of ['law', 'changesets']) expect(await complaints(check)).toEqual([]);
      await typecheck();
    },
    WITHIN,
  );

  it('has nothing of the package that it was copied from but its form', () => {
    for (const { kind, name, from } of packages) {
      const folder = join(workspace.folder, 'packages', `${kind}-${name}`);
      for (const file of filesOf(folder))
        expect(readFileSync(join(folder, file), 'utf8'), file).not.toContain(from);
    }
  });

  it(
    'is red, and says which verb is to be written',
    async () => {
      const red = await test();
      expect([...red.keys()].sort()).toEqual([...projects].sort());
      for (const { kind, name, verbs } of packages) {
        const { failed = 0, messages = [] } = red.get(`${kind}-${name}`) ?? {};
        expect(failed, name).toBeGreaterThan(5);
        const told = new Set(messages.map((message) => /write me: \w+/.exec(message)?.[0]));
        for (const verb of verbs) expect([...told]).toContain(`write me: ${verb}`);
      }
      counts.red = sum(red);
    },
    WITHIN,
  );

  it(
    'is green once its verbs are written',
    async () => {
      for (const { kind, name, from } of packages) {
        const source = join(workspace.folder, 'packages', from, 'src');
        const target = join(workspace.folder, 'packages', `${kind}-${name}`, 'src');
        for (const file of filesOf(source)) {
          const text = readFileSync(join(source, file), 'utf8');
          writeFileSync(join(target, file), scaffold.renamed(kind, text, scaffold.namesOf(name)));
        }
      }
      const green = await test();
      expect([...green.values()].flatMap(({ messages }) => messages)).toEqual([]);
      for (const name of projects) expect(green.get(name)?.passed, name).toBeGreaterThan(10);
      counts.green = sum(green);
      await typecheck();
    },
    WITHIN,
  );
});

describe('the tests of one package that needs no store', () => {
  it(
    'pass without root, without apt and without a server',
    async () => {
      const { folder } = workspace;
      // The folders that vite writes into belong to whoever has installed.
      for (const name of ['.vite', '.vite-temp']) {
        mkdirSync(join(folder, 'node_modules', name), { recursive: true });
        chmodSync(join(folder, 'node_modules', name), 0o777);
      }
      // What `npm test -- backend-memory` runs once all is installed and built.
      const script = join(folder, 'scripts', 'test.mjs');
      const args = ['backend-memory', 'conformance', 'module'];
      const { code, stdout, stderr, called } = await onPlainMachine(folder, script, ...args);
      expect({ code, called, stderr }).toEqual({ code: 0, called: [], stderr: '' });
      expect(stripVTControlCharacters(stdout)).toMatch(/\n\d{3} passed, 0 failed\n$/);
    },
    WITHIN,
  );
});
