import { loadConfig } from './config-file.js';
import { DEFAULT_FILE } from './default-file.js';
import { print } from './print.js';
import { nothingListens } from './reload.js';

/** `sessionkit check`. Answers the exit code. @throws SessionError `CONFIG_INVALID`: a file of `admin.tls` is wrong. */
export async function check(file: string | undefined): Promise<number> {
  const config = await loadConfig(file);
  if (config === undefined) return 1;
  const nothing = nothingListens(config);
  if (nothing !== undefined) {
    print(nothing);
    return 1;
  }
  const { services, listeners, admin } = config;
  if (admin?.tls !== undefined) {
    // Only a configuration with TLS waits for the admin API to be loaded.
    const { checkTls } = await import('@sessionkit/admin-api');
    await checkTls(admin.tls, { now: Date.now, log: ({ message }) => print(`warning: ${message}`) });
  }
  const count = (number: number, noun: string) => `${number} ${noun}${number === 1 ? '' : 's'}`;
  const api = admin === undefined ? 'no admin API' : `admin API on ${admin.address}:${admin.port}`;
  const parts = [count(services.size, 'service'), count(listeners.length, 'listener'), api];
  process.stdout.write(`OK ${file ?? DEFAULT_FILE}: ${parts.join(', ')}\n`);
  return 0;
}
