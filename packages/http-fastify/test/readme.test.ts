import { readFileSync } from 'node:fs';
import { memory } from '@sessionkit/backend-memory';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import Fastify, { type FastifyInstance } from 'fastify';
import { expect, it, onTestFinished } from 'vitest';
import { sessionPlugin } from '../src/index.js';

it('the first example of the README answers what the README says', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const code = /```js\n([\s\S]*?)```/.exec(readme)?.[1]?.replace(/^import .*$/gm, '') ?? '';
  const said = /```console\n([\s\S]*?)```/.exec(readme)?.[1]?.match(/^visit .*$/gm);
  const apps: FastifyInstance[] = [];
  const listening = (app: FastifyInstance) =>
    Object.assign(app, { listen: () => void apps.push(app) }) as FastifyInstance;
  const parts = {
    memory,
    sessionPlugin,
    createSessionManager,
    cookie,
    Fastify: () => listening(Fastify()),
  };
  new Function(...Object.keys(parts), code)(...Object.values(parts));
  const [app] = apps;
  if (app === undefined) throw new Error('the example serves nothing');
  onTestFinished(() => app.close());
  const first = await app.inject('/');
  const jar = String(first.headers['set-cookie']).split(';', 1)[0] ?? '';
  const second = await app.inject({ url: '/', headers: { cookie: jar } });
  expect([first.body.trim(), second.body.trim()]).toEqual(said);
});
