import { afterEach, expect, it, vi } from 'vitest';
import { processEnvironment } from '../src/environment.js';

afterEach(() => vi.restoreAllMocks());

it('prints notices, warnings with their cause and errors to stderr, and nothing less', () => {
  const printed: string[] = [];
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
  const { log } = processEnvironment;
  log({ level: 'debug', message: 'a' });
  log({ level: 'info', message: 'b' });
  log({ level: 'notice', message: 'c' });
  log({ level: 'warning', message: 'd', error: new Error('no route') });
  log({ level: 'error', message: 'e', error: 'not an Error' });
  expect(printed).toEqual([
    'sessionkit notice: c\n',
    'sessionkit warning: d (no route)\n',
    'sessionkit error: e\n',
  ]);
});
