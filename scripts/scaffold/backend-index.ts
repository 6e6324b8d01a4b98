import { MemoryBackend } from './backend.js';
import { checked, type MemoryOptions } from './options.js';

export type { MemoryBackend, Row } from './backend.js';
export type { MemoryOptions, RowNames } from './options.js';

/**
 * A backend over a store. {@link MemoryBackend.share} gives a second instance on the same store.
 *
 * @throws SessionError `CONFIG_INVALID` for a bound below 1 or a row name that is used twice.
 */
export function memory(options: MemoryOptions = {}): MemoryBackend {
  return new MemoryBackend(checked(options));
}
