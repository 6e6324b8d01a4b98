// `pnpm new backend NAME` (or transport, filter): a package with the files of a real one and its names changed, whose verbs are still to be written. Its tests are red, and the
// kit tells what is missing. Prints the steps to green.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { runChild } from './child.mjs';
import { KINDS, namesOf, renamed } from './scaffold/kinds.mjs';
import { root } from './workspaces.mjs';

const USAGE = `usage: pnpm new <${Object.keys(KINDS).join('|')}> NAME`;
/** Words that can be no name of a function. */
const RESERVED =
  /^(arguments|await|break|case|catch|class|const|continue|debugger|default|delete|do|else|enum|eval|export|extends|false|finally|for|function|if|implements|import|in|instanceof|interface|let|module|new|null|package|private|protected|public|return|static|super|switch|this|throw|true|try|typeof|undefined|var|void|while|with|yield)$/;

function refuse(text) {
  console.error(`sessionkit: ${text}`);
  process.exit(1);
}

/** What is wrong with a request for a new package; undefined when nothing is. */
function problemOf(kind, name, rest) {
  if (kind === undefined || name === undefined) return USAGE;
  if (rest.length > 0) return `one name at a time: ${rest.join(' ')} is too much. ${USAGE}`;
  if (!Object.hasOwn(KINDS, kind)) return `there is no kind "${kind}". ${USAGE}`;
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name) || name.length > 40)
    return `"${name}" is no name for a package: small letters and digits, in words with - between them, at most 40, such as my-store`;
  if (name.startsWith(`${kind}-`))
    return `the package will be called ${kind}-NAME by itself: pnpm new ${kind} ${name.slice(kind.length + 1)}`;
  if (RESERVED.test(name)) return `"${name}" is a word of JavaScript: choose another name`;
  if (existsSync(join(root, 'packages', `${kind}-${name}`)))
    return `packages/${kind}-${name} is there already: choose another name`;
  return undefined;
}

/** The manifest of the copied package under another name, with nothing of its history. */
function manifestOf(kind, name) {
  const { from, says } = KINDS[kind];
  const manifest = JSON.parse(readFileSync(join(root, 'packages', from, 'package.json'), 'utf8'));
  const own = { name: `@sessionkit/${kind}-${name}`, version: '0.0.0', description: says(name) };
  return `${JSON.stringify({ ...manifest, ...own, keywords: ['sessionkit', kind, name] }, undefined, 2)}\n`;
}

/** The README of the copied package with the same headings, without what was only true of that one. */
function readmeOf(kind, name, text) {
  const { says, behaviour } = KINDS[kind];
  const bodies = { Behaviour: `- ${behaviour}`, 'Not here yet': 'Nothing is planned.' };
  const [head, ...sections] = text.split(/^## /m);
  const [title] = head.split('\n');
  const kept = sections.map((section) => {
    const [heading] = section.split('\n');
    return Object.hasOwn(bodies, heading) ? `${heading}\n\n${bodies[heading]}\n\n` : section;
  });
  return `${[`${title}\n\n${says(name)}.\n\n`, ...kept].join('## ').trimEnd()}\n`;
}

function write(folder, file, text) {
  const path = join(root, folder, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function scaffold(kind, name) {
  const { from, copied, written } = KINDS[kind];
  const names = namesOf(name);
  const folder = `packages/${kind}-${name}`;
  const word = from.slice(kind.length + 1);
  write(folder, 'package.json', manifestOf(kind, name));
  for (const file of copied) {
    const text = renamed(kind, readFileSync(join(root, 'packages', from, file), 'utf8'), names);
    const target = file.replace(`/${word}.`, `/${name}.`);
    write(folder, target, file === 'README.md' ? readmeOf(kind, name, text) : text);
  }
  for (const [file, source] of Object.entries(written))
    write(
      folder,
      file,
      renamed(kind, readFileSync(join(root, 'scripts', 'scaffold', source), 'utf8'), names),
    );
  const changeset = `---\n'@sessionkit/${kind}-${name}': minor\n---\n\nFirst release: ${KINDS[kind].says(name)}.\n`;
  write('.changeset', `${kind}-${name}.md`, changeset);
  return folder;
}

function tell(kind, name, folder) {
  const { steps } = KINDS[kind];
  const test = `node_modules/.bin/vitest run --project ${kind}-${name}`;
  const all = [
    `Look at what is red: ${test}`,
    ...steps(folder),
    `Finish ${folder}/README.md; its name for the YAML goes into KNOWN_TYPES (packages/compose/src/modules.ts), then \`npm run options\` makes the README's table of options; the package goes into the maps of README.md and ARCHITECTURE.md.`,
    `\`npm run sizes\` writes its size into the README. Then \`npm test\`.`,
  ];
  console.log(`${folder} is there, and red: its verbs are to be written.\n`);
  for (const [at, step] of all.entries()) console.log(`  ${at + 1}. ${step}`);
  console.log('\nThe guide: docs/writing-a-backend.md');
}

const { positionals } = parseArgs({ allowPositionals: true });
const [kind, name, ...rest] = positionals;
const problem = problemOf(kind, name, rest);
if (problem !== undefined) refuse(problem);

const folder = scaffold(kind, name);
const biome = join(root, 'node_modules', '.bin', 'biome');
const sorted = await runChild(biome, ['check', '--write', folder], { cwd: root, stdio: 'ignore' });
// What is in the store of pnpm is enough: nothing new is needed.
const install = ['install', '--no-frozen-lockfile', '--prefer-offline', '--reporter=silent'];
const linked = await runChild('pnpm', install, { cwd: root, stdio: ['ignore', 2, 2] });
if (sorted !== 0 || linked !== 0) {
  rmSync(join(root, folder), { recursive: true });
  rmSync(join(root, '.changeset', `${kind}-${name}.md`));
  refuse(`${folder} was taken back: ${sorted !== 0 ? 'biome' : 'pnpm install'} failed`);
}
tell(kind, name, folder);
