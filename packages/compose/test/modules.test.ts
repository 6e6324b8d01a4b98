import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../src/index.js';

const router = (extra = '') =>
  `{ contract: 1, kind: 'router', type: 'r', create() {}, config: { '~standard': { version: 1, vendor: 'none', validate: (value) => ({ value }) } }, ${extra} }`;

let root = '';
const write = (path: string, text: string | object) => {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof text === 'string' ? text : JSON.stringify(text));
};
const install = (where: string, name: string, manifest: object, files: Readonly<Record<string, string>>) => {
  const home = `${where}/node_modules/${name}`;
  write(`${home}/package.json`, { name, version: '1.0.0', ...manifest });
  for (const [file, text] of Object.entries(files)) write(`${home}/${file}`, text);
};

/** Reads a file in `site/` whose one service has a router of this type. */
async function use(type: string, resolveFrom?: string | string[]) {
  const text = `services: { shop: { router: { type: ${JSON.stringify(type)} } } }`;
  const { config, error } = await readConfig(
    { file: join(root, 'site/sessionkit.yaml'), text },
    { resolveFrom },
  );
  const [problem] = error?.problems ?? [];
  return config === undefined
    ? { code: error?.code, message: problem?.message, fix: problem?.fix }
    : config.services.get('shop')?.router?.module;
}

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'sessionkit-modules-'));
  install(
    'site',
    '@acme/esm',
    { type: 'module', exports: { './module': { import: './m.js' } } },
    {
      'm.js': `export default ${router("name: 'esm'")};`,
    },
  );
  install(
    'site',
    'acme.cjs',
    { exports: { './*': { require: './lib/*.cjs' } } },
    {
      'lib/module.cjs': `Object.defineProperty(exports, '__esModule', { value: true }); exports.default = ${router("name: 'cjs'")};`,
    },
  );
  install('site', 'acme-old', { main: 'm.js' }, { 'm.js': `module.exports = ${router("name: 'old'")};` });
  install(
    'site',
    '@acme/main',
    { exports: './m.mjs' },
    { 'm.mjs': `export default ${router("name: 'main'")};` },
  );
  install(
    'site',
    'acme-driverless',
    { exports: { './module': './m.mjs' } },
    {
      'm.mjs': `import '@acme/driver/deep'; export default ${router()};`,
    },
  );
  install(
    'site',
    '@sessionkit/router-proxy',
    { exports: { './module': './m.mjs' } },
    {
      'm.mjs': `export default ${router("name: 'site'")};`,
    },
  );
  install(
    'app',
    '@sessionkit/router-proxy',
    { exports: { './module': './m.mjs' } },
    {
      'm.mjs': `export default ${router("name: 'app'")};`,
    },
  );
  install(
    'app',
    '@acme/app-only',
    { exports: { '.': { default: './m.mjs' } } },
    {
      'm.mjs': `export default ${router("name: 'app only'")};`,
    },
  );
  write('site/own.mjs', `export default ${router("name: 'own'")};`);
  write('app/own-app.mjs', `export default ${router()};`);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('a module is found', () => {
  it.each([
    ['./own.mjs', 'own'],
    ['@acme/esm/module', 'esm'],
    ['acme.cjs/module', 'cjs'],
    ['proxy', 'site'],
  ])('from the folder of the file: %s', async (type, name) => {
    expect(await use(type)).toMatchObject({ name });
  });

  it('by its only export, and as a file of a package without exports', async () => {
    expect(await use('@acme/main')).toMatchObject({ name: 'main' });
    expect(await use('acme-old/m.js')).toMatchObject({ name: 'old' });
  });

  it('then from the place of the app, given as a folder, a file or a file URL', async () => {
    const url = pathToFileURL(join(root, 'app/cli.mjs')).href;
    expect(await use('@acme/app-only', join(root, 'app'))).toMatchObject({ name: 'app only' });
    expect(await use('@acme/app-only', [root, url])).toMatchObject({ name: 'app only' });
    // The folder of the file wins.
    expect(await use('proxy', url)).toMatchObject({ name: 'site' });
    expect(await use('@acme/app-only')).toEqual({
      code: 'MODULE_MISSING',
      message: '@acme/app-only is not installed',
      fix: 'npm install @acme/app-only',
    });
  });

  it('beside the file only, when it is a file', async () => {
    expect(await use('./own-app.mjs', join(root, 'app'))).toMatchObject({
      message: 'there is no file "./own-app.mjs"',
    });
  });
});

describe('where a module comes from', () => {
  const sources = async (type: string, resolveFrom?: string) => {
    const text = `services: { shop: { session: false, router: { type: ${JSON.stringify(type)} } } }`;
    const { config } = await readConfig({ file: join(root, 'site/sessionkit.yaml'), text }, { resolveFrom });
    return config?.modules;
  };

  it.each([
    ['@acme/esm/module', '@acme/esm', '1.0.0'],
    ['acme-old/m.js', 'acme-old', '1.0.0'],
    ['proxy', '@sessionkit/router-proxy', '1.0.0'],
    ['./own.mjs', './own.mjs', undefined],
  ])('%s is told with its package and version', async (type, name, version) => {
    expect(await sources(type)).toEqual([{ kind: 'router', type: 'r', package: name, version }]);
  });

  it('is told once, however many sections use it, and not of a module that cannot be used', async () => {
    const text = `
services:
  one: { session: false, router: { type: proxy } }
  two: { session: false, router: { type: proxy } }
servers: { b: { url: "http://127.0.0.1:9002" }, a: { url: "https://localhost", steer: true } }`;
    const { config } = await readConfig({ file: join(root, 'site/sessionkit.yaml'), text });
    expect(config?.modules).toHaveLength(1);
    expect([...(config?.servers.values() ?? [])]).toEqual([
      { name: 'b', url: 'http://127.0.0.1:9002', steer: false },
      { name: 'a', url: 'https://localhost', steer: true },
    ]);
    expect(await sources('acme-driverless/module')).toBeUndefined();
  });
});

describe('a module that cannot be used says why', () => {
  it('its driver is not installed', async () => {
    expect(await use('acme-driverless/module')).toEqual({
      code: 'MODULE_MISSING',
      message: 'acme-driverless/module is installed, but its driver @acme/driver is not',
      fix: 'npm install @acme/driver',
    });
  });

  it('the package has no such entry', async () => {
    expect(await use('@acme/esm/other')).toEqual({
      code: 'CONFIG_INVALID',
      message: '@acme/esm is installed but has no entry "./other"',
      fix: 'install a version of @acme/esm that has one',
    });
    expect(await use('@acme/esm')).toMatchObject({ message: '@acme/esm is installed but has no entry "."' });
  });
});
