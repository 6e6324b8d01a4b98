import { loadConfig } from './config-file.js';
import { DEFAULT_FILE } from './default-file.js';

/** `sessionkit check`. Answers the exit code. */
export async function check(file: string | undefined): Promise<number> {
  const config = await loadConfig(file);
  if (config === undefined) return 1;
  const { services, listeners, admin } = config;
  const count = (number: number, noun: string) => `${number} ${noun}${number === 1 ? '' : 's'}`;
  const api = admin === undefined ? 'no admin API' : `admin API on ${admin.address}:${admin.port}`;
  const parts = [count(services.size, 'service'), count(listeners.length, 'listener'), api];
  process.stdout.write(`OK ${file ?? DEFAULT_FILE}: ${parts.join(', ')}\n`);
  return 0;
}
