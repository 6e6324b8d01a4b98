// What `npm test` runs after the build: the checks, then vitest over every project, then one last line with the totals.
//   npm test                        everything
//   npm test -- backend-memory      one package's tests (no checks)
//   npm test -- backend-memory -t "never goes back"     anything else goes to vitest
// A suite that has something to tell (`kit: …`, `secrets: …`) appends lines to $SESSIONKIT_REPORT_DIR/summary.txt; they
// are printed before the last line.
import {
  appendFileSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { availableParallelism, homedir, tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { search, verdict } from '../tests/watch/src/search.mjs';
import { runChild } from './child.mjs';
import { publishable, root, workspaces } from './workspaces.mjs';

const args = process.argv.slice(2);
const take = (flag, values) => {
  const at = args.indexOf(flag);
  return at < 0 ? undefined : args.splice(at, 1 + values).at(-1);
};
const checksOnly = take('--checks-only', 0) !== undefined;
const teeTo = take('--tee', 1);

const reports = mkdtempSync(join(tmpdir(), 'sessionkit-test-'));
process.on('exit', () => rmSync(reports, { recursive: true, force: true }));
const env = { ...process.env, SESSIONKIT_REPORT_DIR: reports };
const bin = (name) => join(root, 'node_modules', '.bin', name);

// ---- output: to the terminal, and for evidence to a file without colours and machine paths ------------------------

if (teeTo !== undefined) mkdirSync(dirname(join(root, teeTo)), { recursive: true });
const file = teeTo === undefined ? undefined : createWriteStream(join(root, teeTo));
let line = '';
const clean = (text) =>
  stripVTControlCharacters(text)
    .replaceAll(reports, '<reports>')
    .replaceAll(root, '.')
    .replaceAll(tmpdir(), '<tmp>')
    .replaceAll(homedir(), '~');
function out(chunk) {
  process.stdout.write(chunk);
  if (!file) return;
  const lines = (line + chunk).split('\n');
  line = lines.pop();
  for (const each of lines) file.write(`${clean(each)}\n`);
}

// ---- running ----------------------------------------------------------------------------------------------------

let stopped;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    stopped = signal;
  });

/** Runs a command; its output is streamed, or kept and returned. */
async function run(command, commandArgs, stream) {
  let text = '';
  const listen = (child) => {
    for (const pipe of [child.stdout, child.stderr]) {
      pipe.setEncoding('utf8');
      pipe.on('data', (chunk) => {
        if (stream) out(chunk);
        else text += chunk;
      });
    }
  };
  try {
    const code = await runChild(
      command,
      commandArgs,
      { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] },
      listen,
    );
    return { code, text };
  } catch (error) {
    return { code: 1, text: error.message };
  }
}

const node = (script, ...rest) => [process.execPath, [join(root, script), ...rest]];

const checks = [
  ['biome', bin('biome'), ['ci', '--colors=off']],
  ['typecheck', ...node('scripts/typecheck.mjs')],
  ['dependency law', ...node('scripts/law.mjs')],
  ['knip', bin('knip'), ['--no-progress']],
  ['changesets', ...node('scripts/changesets.mjs')],
  ...publishable().map((w) => [`pack ${w.name}`, ...node('scripts/pack.mjs', w.folder)]),
];

let passed = 0;
let failed = 0;
/** What failed, and what passed only alone: told right above the last line, where a log that was cut still has it. */
const failures = [];
const notes = [];
const fails = (text) => {
  failed++;
  failures.push(text);
};

async function runChecks() {
  const queue = [...checks];
  const worker = async () => {
    for (let next = queue.shift(); next !== undefined && !stopped; next = queue.shift()) {
      const [name, command, commandArgs] = next;
      const started = Date.now();
      const { code, text } = await run(command, commandArgs, false);
      const took = `${((Date.now() - started) / 1000).toFixed(1)} s`;
      if (code === 0) passed++;
      else fails(`FAILED: check ${name}`);
      out(
        code === 0
          ? `check passed: ${name} (${took})\n`
          : `check FAILED: ${name} (${took})\n${text.replace(/^/gm, '  ')}\n`,
      );
    }
  };
  await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, worker));
}

// ---- vitest -----------------------------------------------------------------------------------------------------

/** Runs vitest; undefined when it did not come to its end. */
async function vitest(vitestArgs) {
  const result = join(reports, 'vitest.json');
  rmSync(result, { force: true });
  const { code } = await run(
    process.execPath,
    [
      join(root, 'node_modules', 'vitest', 'vitest.mjs'),
      'run',
      '--reporter=default',
      `--reporter=${join(root, 'scripts', 'reporter.mjs')}`,
      '--allowOnly=false',
      ...vitestArgs,
    ],
    true,
  );
  return existsSync(result) ? { code, ...JSON.parse(readFileSync(result, 'utf8')) } : undefined;
}

/** So few files may fail to be run again. */
const MOST_AGAIN = 4;

/**
 * Files in which something failed once more, with nothing beside them: on a busy machine a test over real servers can be late. What fails
 * again has failed; what passes now is counted as passed, and named. The long run does no such thing.
 */
async function again(first) {
  const bad = first.files.filter(({ failed, broken }) => failed.length + broken.length > 0);
  if (bad.length === 0 || bad.length > MOST_AGAIN || stopped) return first;
  out(`once more, alone: ${bad.map(({ path }) => relative(root, path)).join(', ')}\n`);
  const second = await vitest(['--maxWorkers=1', ...bad.map(({ path }) => path)]);
  const fresh = new Map(second?.files.map((file) => [file.path, file]));
  // A second run that was stopped, or lost a file, says nothing.
  if (!bad.every(({ path }) => fresh.has(path))) return first;
  for (const { path, failed, broken } of bad) {
    const stillBad = new Set([...fresh.get(path).failed, ...fresh.get(path).broken].map(({ name }) => name));
    for (const { name, error } of [...failed, ...broken])
      if (!stillBad.has(name)) notes.push(`passed only alone: ${name}\n    ${error}`);
  }
  return {
    code: second.code,
    files: first.files.map((file) => fresh.get(file.path) ?? file),
    errors: [...first.errors, ...second.errors],
  };
}

/** `half`: of a whole long run the files that assert times, and then all others. */
async function runVitest(half) {
  const known = new Map(workspaces().map((w) => [w.short, w]));
  const short = (arg) => arg.replace(/^@sessionkit\//, '');
  const projects = args.filter((arg) => known.has(short(arg))).map(short);
  const rest = args.filter((arg) => !known.has(short(arg)));
  // A test that was filtered away by the caller was not skipped by its author.
  const filtered = rest.some((arg) => /^(-t|--testNamePattern)/.test(arg));

  if (half === undefined) delete env.SESSIONKIT_TIMED;
  else env.SESSIONKIT_TIMED = half;
  const first = await vitest([...projects.map((name) => `--project=${name}`), ...rest]);
  const before = passed + failed;
  const failedBefore = failed;
  if (first === undefined) return fails('vitest did not finish its run');
  const { code, files, errors } = half === undefined && args.length === 0 ? await again(first) : first;
  for (const file of files) {
    passed += file.passed;
    for (const { name, error } of file.failed) fails(`FAILED: ${name}\n    ${error}`);
    for (const { name, error } of file.broken)
      fails(`broken outside its tests, which counts as failed: ${name}\n    ${error}`);
    if (!filtered) for (const { name } of file.skipped) fails(`skipped, which counts as failed: ${name}`);
  }
  for (const error of errors) fails(`unhandled, which counts as failed: ${error}`);
  if (passed + failed === before) fails('no test was collected, which counts as failed');
  else if (code !== 0 && failed === failedBefore) fails(`vitest ended with code ${code}`);
}

/** Every secret that a test run issued, looked for in all that it let out. Counts as one test. */
async function searchForSecrets() {
  const { lines, ok } = verdict(await search(reports), args.length === 0);
  if (ok) passed++;
  else failed++;
  appendFileSync(summary, `${lines.join('\n')}\n`);
}

/** Test files run in processes of their own; each has left a line `<validated> <wrong>`. */
function sumAnswers() {
  const counts = join(reports, 'openapi.txt');
  if (!existsSync(counts)) return;
  const lines = readFileSync(counts, 'utf8').trimEnd().split('\n');
  const sum = (at) => lines.reduce((total, each) => total + Number(each.split(' ')[at]), 0);
  appendFileSync(summary, `openapi: ${sum(0)} answers validated, ${sum(1)} wrong\n`);
}

const summary = join(reports, 'summary.txt');
if (args.length === 0) await runChecks();
const halves = args.length === 0 && env.SESSIONKIT_LONG === '1' ? ['only', 'rest'] : [undefined];
for (const half of halves) if (!checksOnly && !stopped) await runVitest(half);
sumAnswers();
if (!checksOnly && !stopped) await searchForSecrets();
if (stopped) {
  out(`stopped by ${stopped}\n`);
  failed++;
}

if (existsSync(summary)) out(`${readFileSync(summary, 'utf8').trimEnd()}\n`);
for (const each of [...notes, ...failures]) out(`${each}\n`);
out(`${passed} passed, ${failed} failed\n`);
if (file) await new Promise((resolve) => file.end(resolve));
process.exitCode = failed === 0 ? 0 : 1;
