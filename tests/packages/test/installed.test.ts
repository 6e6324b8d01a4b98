import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startRedis } from '@sessionkit/test-stores/redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { faultsOf } from './contents.js';
import { freePort, startGuide } from './guide.js';
import { type Loaded, load, SYSTEMS, specifiersOf } from './loading.js';
import { broken, CHECKS, judge, mutants } from './mutants.js';
import { EXPRESS, start, startService, writeService } from './own-service.js';
import { FALSE, judgeSizes } from './sizes.js';
import {
  installAcme,
  runKit,
  serving,
  sessionkit,
  startUpstream,
  storedIn,
  visit,
  writeConfig,
} from './third-party.js';
import { check, RESOLUTIONS, type Resolution } from './typing.js';
import { must, print, published, readManifest, remove, run, script, temporary } from './world.js';

// All packages packed, and installed by plain npm into one empty project.

const MUTANT = '@sessionkit/transport-token';
const WITHIN = 120_000;

const home = temporary('packages');
const app = join(home, 'app');
const specifiers = published.flatMap(specifiersOf);
const programs = published.flatMap(({ name, bin }) =>
  Object.entries(bin ?? {}).map(([command, file]) => ({ command, file: join(name, file) })),
);
const resolutions = Object.keys(RESOLUTIONS) as Resolution[];

let nodes: Readonly<Record<string, string>> = {};
let began = 0;
let kit = 0;

beforeAll(async () => {
  began = Date.now();
  await script('consumer.mjs', home);
  nodes = JSON.parse(await script('nodes.mjs'));
}, WITHIN * 2);

afterAll(() => {
  remove(home);
  const loads = `${specifiers.length} entry points × ${SYSTEMS.length} (import, require) × ${Object.keys(nodes).length} Node versions`;
  const took = ((Date.now() - began) / 1000).toFixed(0);
  const judged = `${specifiers.length * resolutions.length} type checks, ${mutants.length} mutants`;
  print(`third party: ${kit} cases of the published kit kept, used from YAML by package and by file`);
  print(`packages: ${published.length} packed and installed, ${loads}, ${judged} (${took} s)`);
}, WITHIN);

/** What each entry point has, by the Node that runs this. */
let loaded: ReturnType<typeof load> | undefined;
const usual = () => {
  loaded ??= load(process.execPath, app, 'import', specifiers);
  return loaded;
};

describe.each(['20', '22', '24'])('on Node %s', (major) => {
  it('every entry point loads under both module systems, with the same names', async () => {
    const node = nodes[major] ?? expect.fail();
    expect(await must(node, ['--version'])).toMatch(`v${major}.`);
    const [imported, required] = await Promise.all(SYSTEMS.map((each) => load(node, app, each, specifiers)));
    expect(faults(imported)).toEqual([]);
    expect(required).toEqual(imported);
    // And the same as elsewhere.
    expect(imported).toEqual(await usual());
  }, 60_000);

  it.each(programs)('the program $command starts', async ({ file }) => {
    const node = nodes[major] ?? expect.fail();
    const args = [join(app, 'node_modules', file), '--help'];
    const { code, stdout, stderr } = await run(node, args, { cwd: home, env: {} });
    expect({ code, told: stdout + stderr }).toEqual({ code: 0, told: expect.stringContaining('--help') });
  });
});

function faults(loaded: ReadonlyMap<string, Loaded> | undefined): string[] {
  return specifiers.filter((each) => {
    const { error, names = [], default: fallback } = loaded?.get(each) ?? {};
    if (error !== undefined) return true;
    return /\/(module|resource)$/.test(each) ? !/ 1 function$/.test(fallback ?? '') : names.length === 0;
  });
}

describe.each(resolutions)('the types under %s', (resolution) => {
  let told: ReadonlyMap<string, string>;

  beforeAll(async () => {
    told = await check(app, resolution, await usual());
  }, WITHIN);

  it.each(specifiers)('of %s know all that it has', (specifier) => {
    expect(told.get(specifier)).toBe('');
  });
});

describe.each(published)('the tarball of $name', ({ name, version }) => {
  const folder = join(app, 'node_modules', name);

  it('has the files that it names, sources for its source maps, and no test', () => {
    expect(faultsOf(folder)).toEqual([]);
  });

  it('is what npm installed', () => {
    expect(readManifest(folder)).toMatchObject({ name, version });
  });
});

it.each([
  ['module', `import { cookie } from '@sessionkit/transport-cookie';`],
  ['commonjs', `const { cookie } = require('@sessionkit/transport-cookie');`],
])('a stack leads to the line of the source that is shipped (%s)', async (system, head) => {
  const program = `${head} try { cookie({ options: { sameSite: 'none', secure: false } }); } catch (error) { console.log(error.stack); }`;
  const args = ['--enable-source-maps', `--input-type=${system}`, '-e', program];
  const stack = await must(process.execPath, args, { cwd: app, env: {} });
  const [, file = '', line] = /\(?([^\s(]*transport-cookie\/src\/[\w-]+\.ts):(\d+):\d+/.exec(stack) ?? [];
  const path = file.startsWith('file:') ? fileURLToPath(file) : file;
  expect(readFileSync(path, 'utf8').split('\n')[Number(line) - 1]).toContain('SessionError(');
});

describe('a broken package', () => {
  it(
    'is nothing that the checks see in a sound one',
    async () => {
      const project = join(home, 'sound');
      broken(app, project, MUTANT, undefined);
      for (const caughtBy of CHECKS) expect(await judge(project, MUTANT, { caughtBy })).toEqual([]);
    },
    WITHIN,
  );

  it.each(mutants)(
    'is caught: $name',
    async (mutant) => {
      const project = join(home, `mutant-${mutants.indexOf(mutant)}`);
      const { of = MUTANT } = mutant;
      broken(app, project, of, mutant);
      expect(await judge(project, of, mutant)).not.toEqual([]);
    },
    WITHIN,
  );
});

describe('a backend of a third party, installed beside the tarballs', () => {
  let upstream: Awaited<ReturnType<typeof startUpstream>>;

  beforeAll(async () => {
    await installAcme(app, home);
    upstream = await startUpstream();
  }, WITHIN);
  afterAll(() => upstream?.close());

  it(
    'passes the published kit and the hostile values under node:test',
    async () => {
      const { pass, fail } = await runKit(app, false);
      expect(fail).toBe(0);
      expect(pass).toBeGreaterThan(80);
      kit = pass;
    },
    WITHIN,
  );

  it(
    'is refused by the kit when its author was careless',
    async () => {
      expect((await runKit(app, true)).fail).toBeGreaterThan(5);
    },
    WITHIN,
  );

  it.each([
    ['the name of its package', { type: 'acme-folder', resource: 'files' }],
    ['an entry of its package', { type: 'acme-folder/module', resource: 'files' }],
    ['a file beside the YAML', { type: './my-backend.mjs', path: join(app, 'mine') }],
  ])(
    'is used from YAML by %s, and keeps its sessions over a restart',
    async (_, section) => {
      const file = writeConfig(app, 'sessionkit.yaml', upstream.url, section);
      expect(await sessionkit(app, 'check', '--config', file)).toMatchObject({ code: 0 });
      const first = await serving(app, file, (url) => visit(url));
      expect(first).toMatchObject({ status: 200, said: expect.stringMatching(/^s[0-9a-z]+$/) });
      expect(storedIn('path' in section ? section.path : join(app, 'sessions'))).toContain(first.said);
      const second = await serving(app, file, (url) => visit(url, first.cookie));
      expect(second).toEqual(first);
    },
    WITHIN,
  );

  it(
    'is refused at start when it was built for another contract',
    async () => {
      const section = { type: './future-backend.mjs', path: join(app, 'mine') };
      const file = writeConfig(app, 'future.yaml', upstream.url, section);
      const { code, stdout, stderr } = await sessionkit(app, 'serve', '--config', file);
      expect(code).toBe(1);
      const told = `${stdout}${stderr}`;
      expect(told).toContain('./future-backend.mjs was built for contract version 99, this SessionKit has 1');
      expect(told).toContain('install a newer SessionKit, or an older version of the module');
    },
    WITHIN,
  );
});

it(
  'the gateway has the service in Python of its guide behind it, and an operator sees and ends who has logged in',
  async () => {
    const guide = await startGuide(join(app, 'guide'));
    try {
      const config = ['--config', guide.file];
      expect(await sessionkit(app, 'check', ...config)).toMatchObject({ code: 0 });
      // Who may only look is no admin, so that the first start makes one all the same.
      expect(await sessionkit(app, 'user', 'add', 'olga', '--generate', ...config)).toMatchObject({
        code: 0,
      });
      await serving(app, guide.file, async (url) => {
        const first = await visit(url);
        expect(first).toMatchObject({ status: 200, said: 'nobody, visit 1\n' });
        const login = await visit(`${url}/login?user=ann`, first.cookie, 'POST');
        expect(login.said).toBe('welcome, ann\n');
        expect(login.cookie).not.toBe(first.cookie);
        expect((await visit(url, login.cookie)).said).toBe('ann, visit 2\n');
        const { stdout } = await sessionkit(app, 'sessions', 'list', '--user', 'ann', '--json', ...config);
        const [{ id }] = JSON.parse(stdout) as [{ id: string }];
        expect(await sessionkit(app, 'sessions', 'end', id, ...config)).toMatchObject({ code: 0 });
        expect(await visit(url, login.cookie)).toMatchObject({ status: 401 });
      });
    } finally {
      await guide.close();
    }
  },
  WITHIN,
);

it.each(EXPRESS)(
  'the service of the guide on %s keeps its sessions in a Redis, and an operator beside it sees and ends them',
  async (express) => {
    const folder = join(app, express);
    const admin = `127.0.0.1:${await freePort()}`;
    writeService(folder, express, admin);
    const redis = await startRedis();
    try {
      await must(process.execPath, ['--test', 'app.test.mjs'], {
        cwd: folder,
        env: { PATH: process.env.PATH },
      });
      const service = await startService(folder, redis.url);
      const ask = async (path: string, cookie?: string, body?: string) => {
        const answer = await fetch(`${service.url}${path}`, {
          method: body === undefined ? 'GET' : 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded', ...(cookie && { cookie }) },
          ...(body === undefined ? {} : { body }),
        });
        const [set] = answer.headers.getSetCookie();
        return { status: answer.status, said: await answer.text(), cookie: set?.split(';')[0] ?? cookie };
      };
      const [phone, laptop] = [await ask('/login', '', 'user=ann'), await ask('/login', '', 'user=ann')];
      expect(await ask('/account', phone.cookie)).toMatchObject({ status: 200, said: 'ann\n' });
      expect(await ask('/sessions/others/end', phone.cookie, '')).toMatchObject({ said: '{"ended":1}' });
      expect(await ask('/account', laptop.cookie)).toMatchObject({ status: 401 });

      const program = join(app, 'node_modules', '@sessionkit', 'admin-api', 'bin', 'admin-api.mjs');
      const args = [program, '--config', 'sessionkit.yaml'];
      const operator = await start(folder, args, { REDIS_URL: redis.url }, /^listening: admin/);
      const password = readFileSync(join(folder, 'sessionkit-users.json.password'), 'utf8').trim();
      const authorization = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`;
      const list = await fetch(`http://${admin}/sessions`, { headers: { authorization } });
      const [seen, ...others] = (await list.json()) as { id: string; user: string }[];
      expect([seen?.user, others]).toEqual(['ann', []]);
      const ended = await fetch(`http://${admin}/v1/sessions/${seen?.id}`, {
        method: 'DELETE',
        headers: { authorization },
      });
      expect(ended.status).toBe(204);
      expect(await ask('/account', phone.cookie)).toMatchObject({ status: 401 });
      await operator.close();
      expect(await service.close()).toBe(0);
      expect(service.lines).toEqual([service.url]);

      const without = await startService(folder, 'redis://127.0.0.1:1', /ECONNREFUSED 127\.0\.0\.1:1\)$/);
      expect((await fetch(`${without.url}/account`)).status).toBe(503);
      expect(await without.close()).toBe(0);
    } finally {
      await redis.stop();
    }
  },
  WITHIN,
);

/** One of each hint, by words of its own. */
const HINTS = [
  'a session was created for /main.css',
  'a cookie with Secure was sent over http to shop.example',
  'session.set("cart", …) was given a Map',
  'a session was changed after the head of its answer',
  '127.0.0.1 forwards requests for others but is not trusted',
  'https://app.example, which allowOrigins names, sent a request without any cookie',
  'the backend memory keeps sessions in this process, and it is one of several',
  'service "shop": keepEnded is 3600 ms, which is 3.6 s',
];

it(
  'what newcomers trip on is told once in a process, whichever copies of the packages it has, and not in production',
  async () => {
    copyFileSync(join(import.meta.dirname, '..', 'stumbles.mjs'), join(app, 'stumbles.mjs'));
    const told = async (NODE_ENV: string) => {
      const env = { NODE_ENV, NODE_APP_INSTANCE: '1' };
      const { code, stdout, stderr } = await run(process.execPath, ['stumbles.mjs'], { cwd: app, env });
      expect({ code, refused: stdout.match(/a browser refuses SameSite=None without Secure/g) }).toEqual({
        code: 0,
        refused: expect.objectContaining({ length: 2 }),
      });
      return stderr.split('\n').filter((line) => line !== '');
    };
    const hints = await told('development');
    expect(HINTS.map((hint) => hints.filter((line) => line.includes(hint)).length)).toEqual(
      HINTS.map(() => 1),
    );
    expect(hints).toHaveLength(HINTS.length);
    expect(await told('production')).toEqual([]);
  },
  WITHIN,
);

it(
  'every README says how large its package is and what comes with it',
  async () => {
    expect(await script('sizes.mjs', '--consumer', home)).toContain('0 stale');
  },
  WITHIN,
);

it(
  'a README that states another size, another number of dependencies or nothing is found',
  async () => {
    const { code, stdout } = await judgeSizes(join(home, 'false'), home, FALSE);
    expect(code).toBe(1);
    expect(stdout).toContain(`${Object.keys(FALSE).length} stale`);
    for (const name of Object.keys(FALSE)) expect(stdout).toContain(`packages/${name}/README.md: `);
  },
  WITHIN,
);
