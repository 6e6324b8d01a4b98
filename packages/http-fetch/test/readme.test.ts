import { readFileSync } from 'node:fs';
import { memory } from '@sessionkit/backend-memory';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { Hono } from 'hono';
import { expect, it } from 'vitest';
import { sessionMiddleware } from '../src/index.js';

it('the first example of the README answers what the README says', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const code = /```js\n([\s\S]*?)```/.exec(readme)?.[1]?.replace(/^import .*$/gm, '') ?? '';
  const said = /```console\n([\s\S]*?)```/.exec(readme)?.[1]?.match(/^visit .*$/gm);
  let fetch: ((request: Request) => Response | Promise<Response>) | undefined;
  const serve = (given: { fetch: typeof fetch }) => {
    fetch = given.fetch;
  };
  const parts = { serve, memory, sessionMiddleware, createSessionManager, cookie, Hono };
  new Function(...Object.keys(parts), code)(...Object.values(parts));
  if (fetch === undefined) throw new Error('the example serves nothing');
  const first = await fetch(new Request('http://localhost:8080/'));
  const jar = first.headers.getSetCookie()[0]?.split(';', 1)[0] ?? '';
  const second = await fetch(new Request('http://localhost:8080/', { headers: { cookie: jar } }));
  expect([(await first.text()).trim(), (await second.text()).trim()]).toEqual(said);
});
