// The dependency law, over the manifests and over what the sources really import:
//   session-core depends on nothing at run time; an adapter on session-core (and zod, and its own driver);
//   nobody on an adapter but an app, an example or a test; nobody on an app but the thin app on admin-api.
// Also: every import is a declared dependency, and no package reaches into another one's folder.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { root, workspaces } from './workspaces.mjs';

const all = workspaces();
const byName = new Map(all.map((w) => [w.name, w]));
const builtin = new Set(builtinModules);
const problems = [];

const adapter = /^(transport|backend|filter|router|http)-/;
/** What a package may depend on at run time, among the packages of this repository. */
function allowed(from, to) {
  if (to.group === 'examples' || to.group === 'tests') return from.group === 'tests';
  if (from.group === 'examples' || from.group === 'tests') return true;
  if (to.group === 'apps') return from.short === 'sessionkit' && to.short === 'admin-api';
  if (from.group === 'apps') return true;
  if (from.short === 'session-core') return false;
  // Layers over one integration, as the thin app is over admin-api. Fastify answers by node's own response, which http-node holds.
  if (['express-session', 'http-fastify'].includes(from.short) && to.short === 'http-node') return true;
  return to.short === 'session-core';
}

function* files(folder) {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === 'node_modules' || entry.name === 'dist') continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else if (/\.[cm]?[jt]s$/.test(entry.name)) yield path;
  }
}

/** Every module a file names: import, export from, import(), require(), import type. */
function* imports(path) {
  const text = readFileSync(path, 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const statement = /^\s*(?:import|export)\s(?:[^'"`;]*?\sfrom\s*)?['"]([^'"\n]+)['"]/gm;
  const call = /\b(?:import|require)\(\s*['"]([^'"\n]+)['"]\s*\)/g;
  for (const pattern of [statement, call]) for (const found of text.matchAll(pattern)) yield found[1];
}

const packageOf = (specifier) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

for (const w of all) {
  const at = `${w.folder}/package.json`;
  const runtime = {
    ...w.manifest.dependencies,
    ...w.manifest.peerDependencies,
    ...w.manifest.optionalDependencies,
  };
  const development = w.manifest.devDependencies ?? {};

  if (w.short === 'session-core' && Object.keys(runtime).length > 0)
    problems.push(
      `${at}: session-core has no run-time dependency, but names ${Object.keys(runtime).join(', ')}`,
    );
  if (adapter.test(w.short) && w.group === 'packages' && !runtime['@sessionkit/session-core'])
    problems.push(`${at}: an adapter depends on @sessionkit/session-core`);
  for (const [name, range] of Object.entries({ ...runtime, ...development })) {
    const to = byName.get(name);
    if (to && !range.startsWith('workspace:'))
      problems.push(`${at}: ${name} is ours; its range is workspace:^`);
  }
  for (const name of Object.keys(runtime)) {
    const to = byName.get(name);
    if (to && !allowed(w, to)) problems.push(`${at}: ${w.name} may not depend on ${name}`);
  }
  for (const name of Object.keys(development)) {
    const to = byName.get(name);
    if (to?.group === 'apps' && w.group === 'packages')
      problems.push(`${at}: ${w.name} may not depend on the app ${name}, not even for its tests`);
  }

  const home = join(root, w.folder);
  const isPrivate = w.group === 'tests' || w.group === 'examples';
  for (const path of files(home)) {
    const shown = relative(root, path);
    const shipped = !isPrivate && /^(src|bin)\//.test(relative(home, path).replaceAll('\\', '/'));
    for (const specifier of imports(path)) {
      if (specifier.startsWith('.')) {
        const target = join(dirname(path), specifier);
        const config = shown.endsWith('tsup.config.ts') && relative(root, target) === 'tsup.base.ts';
        if (relative(home, target).startsWith('..') && !config)
          problems.push(`${shown}: imports ${specifier}, outside its package`);
        continue;
      }
      if (specifier.startsWith('node:') || specifier.startsWith('#') || builtin.has(specifier)) continue;
      const name = packageOf(specifier);
      if (name === w.name) continue;
      const to = byName.get(name);
      if (shipped) {
        if (to && !allowed(w, to)) problems.push(`${shown}: ${w.name} may not import ${specifier}`);
        else if (!runtime[name])
          problems.push(`${shown}: imports ${specifier}, which is no dependency of ${w.name}`);
      } else if (to && !runtime[name] && !development[name]) {
        problems.push(`${shown}: imports ${specifier}, which ${at} does not name`);
      }
    }
  }

  // An adapter's main entry takes the user's own client; zod is for ./module only.
  if (adapter.test(w.short) && w.group === 'packages') {
    const seen = new Set();
    const walk = (path) => {
      if (seen.has(path) || !existsSync(path)) return;
      seen.add(path);
      for (const specifier of imports(path)) {
        if (packageOf(specifier) === 'zod')
          problems.push(`${relative(root, path)}: zod is reached from the main entry`);
        if (specifier.startsWith('.')) walk(join(dirname(path), specifier.replace(/\.js$/, '.ts')));
      }
    };
    walk(join(home, 'src', 'index.ts'));
  }
}

for (const problem of problems) console.error(problem);
console.log(
  problems.length === 0 ? `law: ${all.length} packages keep it` : `law: ${problems.length} problems`,
);
process.exit(problems.length === 0 ? 0 : 1);
