import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as backend from '@sessionkit/backend-redis';
import * as core from '@sessionkit/session-core';
import { startRedis } from '@sessionkit/test-stores/redis';
import * as transport from '@sessionkit/transport-cookie';
import * as ioredis from 'ioredis';
import { createClient } from 'redis';
import { expect, it } from 'vitest';
import * as ours from '../src/index.js';
import { Browser, type Handler, load, serve } from './help.js';

const AsyncFunction: FunctionConstructor = Object.getPrototypeOf(async () => {}).constructor;
const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');

/** Runs a module of the README; answers what it exports. */
async function run(
  program: string,
  modules: Readonly<Record<string, object>>,
  given: object,
): Promise<object> {
  const names: string[] = [];
  const body = program
    .replace(
      /^import (?:(\w+)|(\{[^}]*\})) from '([^']+)';$/gm,
      (_, one: string | undefined, some: string, name) =>
        `const ${one === undefined ? some : `{ default: ${one} }`} = modules[${JSON.stringify(name)}];`,
    )
    .replace(/^export const (\w+)/gm, (_, name: string) => {
      names.push(name);
      return `const ${name}`;
    });
  const parameters = { modules, ...given };
  const all = new AsyncFunction(...Object.keys(parameters), `${body}\nreturn { ${names.join(', ')} };`);
  return (await all(...Object.values(parameters))) as object;
}

/** Express, as far as the example uses it: an app that listens tells where. */
function listening() {
  const express = load('express5') as () => Handler & { listen?: unknown };
  let app: Handler | undefined;
  const made = () => {
    const one = express();
    one.listen = () => {
      app = one;
    };
    return one;
  };
  const port = () => serve(app as (request: IncomingMessage, response: ServerResponse) => void);
  return { module: { default: made }, port };
}

it('the README turns an app of express-session into one of ours, and a browser goes on counting', async () => {
  const text = read('../README.md');
  const diff = /```diff\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
  const sessions = /```js\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
  const said = /```console\n([\s\S]*?)```/.exec(text)?.[1]?.match(/^view \d+$/gm);
  const side = (mark: string) =>
    diff
      .split('\n')
      .filter((line) => line.startsWith(' ') || line.startsWith(mark))
      .map((line) => line.slice(1))
      .join('\n');
  expect(diff.match(/^\+/gm)).toHaveLength(3);

  const server = await startRedis();
  const client = createClient({ url: server.url });
  await client.connect();
  const { RedisStore } = (await import('connect-redis')) as { RedisStore: new (options: object) => object };
  const before = listening();
  const given = { secret: 'the secret', store: new RedisStore({ client }) };
  const session = { default: load('express-session') };
  await run(side('-'), { express: before.module, 'express-session': session as object }, given);
  const browser = new Browser(await before.port());
  const seen = [(await browser.get('/')).text.trim()];
  expect(await browser.names()).toEqual(['connect.sid']);

  const modules = {
    '@sessionkit/backend-redis': backend,
    '@sessionkit/express-session': ours,
    '@sessionkit/session-core': core,
    '@sessionkit/transport-cookie': transport,
    ioredis,
  };
  const process = { env: { REDIS_URL: server.url, SECRET: 'the secret' } };
  const made = (await run(`${sessions}\nexport const redisClient = client;`, modules, { process })) as {
    readonly manager: core.SessionManager;
    readonly redisClient: ioredis.Redis;
  };
  const after = listening();
  await run(side('+'), { ...modules, express: after.module, './sessions.js': made }, {});
  browser.port = await after.port();
  for (let n = 0; n < 2; n++) seen.push((await browser.get('/')).text.trim());
  expect(seen).toEqual(said);
  expect(await browser.names()).toEqual(['sxapi-sess']);
  await made.manager.close();
  made.redisClient.disconnect();
  await client.close();
  await server.stop();
});

it('README and guide name options that there are', () => {
  const sources = ['middleware', 'old-cookie', 'connect-redis', 'connect-pg-simple'].map((name) =>
    read(`../src/${name}.ts`),
  );
  const members = sources.flatMap((source) =>
    [...source.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name]) => name),
  );
  const rows = [...read('../README.md').matchAll(/^\| (`\w+`(?:, `\w+`)*) \|.*\|.*\|.*\|$/gm)];
  const named = rows.flatMap(([, cell = '']) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name));
  expect([...new Set(named)].sort()).toEqual([...new Set(members)].sort());
});
