import { expect, it, onTestFinished, vi } from 'vitest';
import { out } from '../src/sessions/out.js';

it('waiting for a slow reader leaves no listener behind', async () => {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(false);
  onTestFinished(() => write.mockRestore());
  const listeners = () =>
    process.stdout.eventNames().reduce((sum, name) => sum + process.stdout.listenerCount(name), 0);
  const before = listeners();
  for (let i = 0; i < 3; i++) {
    const written = out('line\n');
    process.stdout.emit('drain');
    await written;
  }
  expect(listeners()).toBe(before);
});
