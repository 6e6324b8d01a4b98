import { readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { memory } from '@sessionkit/backend-memory';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { expect, it } from 'vitest';
import { sessionHandler } from '../src/index.js';
import { ask, serve } from './help.js';

it('the first example of the README answers what the README says', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const code = /```js\n([\s\S]*?)```/.exec(readme)?.[1]?.replace(/^import .*$/gm, '') ?? '';
  const said = /```console\n([\s\S]*?)```/.exec(readme)?.[1]?.match(/^visit .*$/gm);
  let listener: RequestListener | undefined;
  const createServer = (given: RequestListener) => ({
    listen: () => {
      listener = given;
    },
  });
  const parts = { createServer, memory, sessionHandler, createSessionManager, cookie };
  new Function(...Object.keys(parts), code)(...Object.values(parts));
  if (listener === undefined) throw new Error('the example serves nothing');
  const { port } = await serve(listener);
  const first = await ask(port);
  const jar = first.headers['set-cookie']?.[0]?.split(';', 1)[0];
  const second = await ask(port, '/', { cookie: jar });
  expect([first.body.trim(), second.body.trim()]).toEqual(said);
});
