import { MemoryBackend } from './backend.js';
import { checked, type MemoryOptions } from './options.js';
import { MemoryStore } from './store.js';

export type { MemoryBackend, Row } from './backend.js';
export type { MemoryOptions, RowNames } from './options.js';

/**
 * A backend that keeps sessions in the memory of this process. {@link MemoryBackend.share} gives a second instance on the same store.
 *
 * @throws SessionError `CONFIG_INVALID` for a bound below 1 or a row name that is used twice.
 */
export function memory(options: MemoryOptions = {}): MemoryBackend {
  const known = checked(options);
  return new MemoryBackend(new MemoryStore(known), known);
}
