import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CheckedConfig, readConfig } from '@sessionkit/compose';
import { processEnvironment } from '@sessionkit/session-core';
import { afterAll, expect, it, onTestFinished } from 'vitest';
import { App } from '../src/app.js';
import type { Logs } from '../src/log.js';
import { LogRing } from '../src/log-ring.js';

const ANSWER = `export default {
  contract: 1, kind: 'router', type: 'answer',
  config: { '~standard': { version: 1, vendor: 'answer', validate: (value) => ({ value }) } },
  create: ({ text }) => ({
    type: 'answer', closed: false,
    async handle({ response }) { response.statusCode = this.closed ? 503 : 200; response.end(text); },
    async close() { this.closed = true; },
  }),
};`;

const folder = mkdtempSync(join(tmpdir(), 'sessionkit-app-'));
writeFileSync(join(folder, 'answer.mjs'), ANSWER);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function checked(text: string): Promise<CheckedConfig> {
  const { config, error } = await readConfig({
    file: join(folder, 'sessionkit.yaml'),
    text: `
services: { shop: { router: { type: ./answer.mjs, text: ${text} } } }
listeners: { public: { service: shop, port: 0 } }
admin: false`,
  });
  if (config === undefined) throw error;
  return config;
}

async function start() {
  const lines: string[] = [];
  const logs: Logs = {
    environment: processEnvironment,
    log: (_level, message) => void lines.push(message),
    access: () => {},
    recent: new LogRing(),
    flush: async () => {},
    close: async () => {},
  };
  const app = await App.start(await checked('one'), logs);
  onTestFinished(async () => void (await app.stop(AbortSignal.abort())));
  const url = /http:\/\/\S+/.exec(lines.join('\n'))?.[0] ?? '';
  const get = async () => {
    const answer = await fetch(url);
    return `${answer.status} ${await answer.text()}`;
  };
  return { app, get };
}

it('a configuration that fails only where it is served changes nothing', async () => {
  const { app, get } = await start();
  expect(await get()).toBe('200 one');
  // No file can say so; another mistake of this kind would do the same.
  const bad = { ...(await checked('two')), trustProxy: ['10.0.0.0/33'] };
  await expect(app.become(bad)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  expect([await get(), app.config.trustProxy]).toEqual(['200 one', []]);
  await app.become(await checked('two'));
  expect(await get()).toBe('200 two');
});
