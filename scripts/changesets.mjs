// Every changeset names packages that exist, with a bump and a text; and what is published has something to say:
// a pending changeset, or a changelog entry for its version.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { publishable, root } from './workspaces.mjs';

const packages = publishable();
const names = new Set(packages.map((w) => w.name));
const problems = [];
const pending = new Set();

const files = readdirSync(join(root, '.changeset')).filter(
  (file) => file.endsWith('.md') && file !== 'README.md',
);
for (const file of files) {
  const [, head, text] =
    /^---\r?\n([\s\S]*?)\r?\n?---\r?\n([\s\S]*)$/.exec(
      readFileSync(join(root, '.changeset', file), 'utf8'),
    ) ?? [];
  if (head === undefined) {
    problems.push(`.changeset/${file}: no front matter between two lines of ---`);
    continue;
  }
  if (text.trim() === '') problems.push(`.changeset/${file}: no text`);
  for (const line of head.split(/\r?\n/).filter((entry) => entry.trim() !== '')) {
    const [, name, bump] = /^['"]?([^'"]+)['"]?:\s*(\w+)\s*$/.exec(line) ?? [];
    if (!names.has(name)) problems.push(`.changeset/${file}: "${line}" names no package that is published`);
    else if (!['major', 'minor', 'patch'].includes(bump))
      problems.push(`.changeset/${file}: "${line}" is no bump`);
    else pending.add(name);
  }
}

for (const { name, folder, manifest } of packages) {
  const log = join(root, folder, 'CHANGELOG.md');
  const told = existsSync(log) && readFileSync(log, 'utf8').includes(`## ${manifest.version}`);
  if (!pending.has(name) && !told)
    problems.push(`${name} ${manifest.version}: neither a changeset nor a changelog entry`);
}

for (const problem of problems) console.error(problem);
console.log(`changesets: ${files.length} pending, ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
