import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CheckedConfig } from '@sessionkit/compose';
import { processEnvironment, SessionError } from '@sessionkit/session-core';
import { expect, it, onTestFinished } from 'vitest';
import type { Logs } from '../src/log.js';
import { LogRing } from '../src/log-ring.js';
import { Reloader } from '../src/reload.js';

const GOOD = 'services: { shop: {} }\nadmin: { listen: "127.0.0.1:0" }\n';

function setUp(become: (config: CheckedConfig) => Promise<readonly never[]>) {
  const folder = mkdtempSync(join(tmpdir(), 'sessionkit-reload-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'sessionkit.yaml');
  const lines: string[] = [];
  const logs: Logs = {
    environment: processEnvironment,
    log: (level, message) => void lines.push(`${level} ${message}`),
    access: () => {},
    recent: new LogRing(),
    flush: async () => {},
    close: async () => {},
  };
  const write = (text: string) => writeFileSync(file, text);
  write(GOOD);
  return { lines, write, reloader: new Reloader(file, logs, () => ({ become })) };
}

it('reloads that come together are done one after the other, also behind one that failed', async () => {
  let running = 0;
  let most = 0;
  let times = 0;
  const { reloader } = setUp(async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 10));
    running -= 1;
    times += 1;
    if (times === 2) throw new SessionError('BACKEND_DOWN', 'resources.store: nobody answers');
    return [];
  });
  const done = await Promise.all([reloader.reload(), reloader.reload(), reloader.reload()]);
  expect(most).toBe(1);
  expect(done).toEqual([{ changes: [] }, { problems: ['resources.store: nobody answers'] }, { changes: [] }]);
});

it('a file with mistakes is told with all of them, and the app is not asked', async () => {
  let asked = 0;
  const { reloader, write, lines } = setUp(async () => {
    asked += 1;
    return [];
  });
  write(`${GOOD}drain_timeout: -1\nlistener: {}\n`);
  const result = await reloader.reload();
  const problems = 'problems' in result ? result.problems : [];
  expect(problems).toHaveLength(2);
  expect(problems.join('\n')).toMatch(/drain_timeout: [\s\S]*listener: this key is not known here/);
  expect(asked).toBe(0);
  expect(lines.at(-1)).toMatch(/^error .*was not taken, and nothing has changed: .*drain_timeout/);
});

it('what is no mistake of the file is told without its inner words', async () => {
  const { reloader } = setUp(() => Promise.reject(new TypeError('secret of a module')));
  expect(await reloader.reload()).toEqual({
    problems: ['The reload failed. The log of the process says why.'],
  });
});
