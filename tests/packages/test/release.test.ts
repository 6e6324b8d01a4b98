import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { plainEnvironment } from './workspace.js';
import { type Manifest, must, print, published, repository, run } from './world.js';

// Versions are each package's own; changesets bumps what has to go out together.

const WITHIN = 120_000;
const CORE = '@sessionkit/session-core';

interface Release {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly files?: number | undefined;
  /** Ranges of our own packages in the manifest that npm would get. */
  readonly ours?: Readonly<Record<string, string>> | undefined;
}

let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  env = await plainEnvironment();
}, WITHIN);

const release = join(repository, 'scripts', 'release.mjs');

async function dryRun(...args: string[]): Promise<readonly Release[]> {
  const told = await must(process.execPath, [release, '--dry-run', '--json', ...args], { env });
  return JSON.parse(told) as Release[];
}

const namesOf = (releases: readonly { readonly name: string }[]) => releases.map(({ name }) => name).sort();
const outOf = (releases: readonly Release[]) => releases.filter(({ from, to }) => from !== to);
const dependsOn = ({ dependencies, peerDependencies }: Manifest, name: string) =>
  Object.hasOwn({ ...dependencies, ...peerDependencies }, name);

/** All that a release could change: manifests, changelogs, changesets. */
function state(): string {
  const folders = ['packages', 'apps', 'examples', 'tests'].flatMap((group) =>
    readdirSync(join(repository, group)).map((name) => join(repository, group, name)),
  );
  const files = folders.flatMap((folder) => [join(folder, 'package.json'), join(folder, 'CHANGELOG.md')]);
  const texts = files.map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : ''));
  return JSON.stringify([texts, readdirSync(join(repository, '.changeset')).sort()]);
}

describe('a dry run of a release', () => {
  it(
    'tells what would go out and what would stay, and changes nothing',
    async () => {
      const before = state();
      const { code, stdout } = await run(process.execPath, [release, '--dry-run'], { env });
      expect(code).toBe(0);
      for (const { name } of published) expect(stdout).toMatch(new RegExp(`^${name} \\d`, 'm'));
      expect(stdout).toMatch(/npm publish sessionkit-session-core-\d+\.\d+\.\d+\.tgz --access public/);
      expect(stdout).toMatch(/\nrelease: \d+ of \d+ packages would go out; nothing was changed\n$/);
      expect(state()).toBe(before);
    },
    WITHIN,
  );

  it(
    'says what it needs to know',
    async () => {
      const { code, stderr } = await run(process.execPath, [release, '--dry-run', '--if', 'core:huge'], {
        env,
      });
      expect(code).toBe(1);
      expect(stderr).toContain(
        'give a package that is published and major, minor, patch, such as session-core:minor',
      );
    },
    WITHIN,
  );
});

describe('what a change brings with it', () => {
  it(
    'a minor version of session-core, before 1.0 a breaking one, takes all that depend on it along',
    async () => {
      const releases = await dryRun('--if', 'session-core:minor');
      const out = outOf(releases);
      const dependents = published.filter((each) => each.name === CORE || dependsOn(each, CORE));
      expect(namesOf(out)).toEqual(expect.arrayContaining(namesOf(dependents)));
      const core = releases.find(({ name }) => name === CORE) ?? expect.fail();
      const [major, minor] = core.from.split('.');
      expect(core.to).toBe(`${major}.${Number(minor) + 1}.0`);
      for (const { name, from, to, ours = {}, files = 0 } of out) {
        expect(files, name).toBeGreaterThan(5);
        if (name === CORE) continue;
        expect(ours[CORE] ?? `^${core.to}`, name).toBe(`^${core.to}`);
        expect(to, name).toBe(from.replace(/\d+$/, (last) => `${Number(last) + 1}`));
      }
      // What does not depend on anything that goes out stays as it is.
      const gone = new Set(namesOf(out));
      for (const each of published)
        if (!gone.has(each.name))
          expect(
            [...gone].some((name) => dependsOn(each, name)),
            each.name,
          ).toBe(false);
      print(
        `release: session-core:minor takes ${out.length - 1} dependents along, transport-token:patch goes out alone`,
      );
    },
    WITHIN,
  );

  it(
    'a patch of session-core goes out alone, too',
    async () => {
      expect(namesOf(outOf(await dryRun('--if', 'session-core:patch')))).toEqual([CORE]);
    },
    WITHIN,
  );

  it(
    'a patch of an adapter goes out alone: the ranges of those that use it allow for it',
    async () => {
      const releases = await dryRun('--if', 'transport-token:patch');
      expect(namesOf(outOf(releases))).toEqual(['@sessionkit/transport-token']);
      expect(releases).toHaveLength(published.length);
    },
    WITHIN,
  );

  it(
    'a minor version of an adapter takes along what needs it at run time, and nothing that only tests with it',
    async () => {
      const out = outOf(await dryRun('--if', 'backend-memory:minor'));
      const memory = '@sessionkit/backend-memory';
      const direct = published.filter((each) => each.name === memory || dependsOn(each, memory));
      expect(namesOf(out)).toEqual(namesOf(direct));
      expect(namesOf(out)).not.toContain('@sessionkit/compose');
      for (const { name, ours } of out)
        if (name !== memory) expect(ours?.[memory]).toMatch(/^\^\d+\.\d+\.0$/);
    },
    WITHIN,
  );
});
