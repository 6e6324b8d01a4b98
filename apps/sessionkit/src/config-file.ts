import { existsSync } from 'node:fs';
import { formatProblems, type Reading, readConfig } from '@sessionkit/compose';
import { DEFAULT_FILE } from './default-file.js';
import { print } from './print.js';

const MINIMAL = `There is no ${DEFAULT_FILE} in this folder, and --config names no other file. To begin, put this into ${DEFAULT_FILE}:

session:
  auto_create: true
  transport: { type: cookie }
  backend: { type: memory }
servers:
  server1: { url: "http://127.0.0.1:9001" }   # your service
services:
  shop: { router: { type: proxy, servers: [server1] } }
listeners:
  public: { service: shop, address: 127.0.0.1, port: 8080 }
`;

/**
 * Reads and checks the configuration. Problems, or how to begin, go to stderr; then the answer is undefined. `warn` is told the doubts.
 */
export async function loadConfig(
  named: string | undefined,
  warn: (text: string) => void = print,
): Promise<Extract<Reading, { error?: undefined }>['config'] | undefined> {
  const file = named ?? DEFAULT_FILE;
  if (named === undefined && !existsSync(file)) {
    print(MINIMAL.trimEnd());
    return undefined;
  }
  const { config, warnings, error } = await readConfig(file, { resolveFrom: import.meta.url });
  if (warnings.length > 0) warn(formatProblems(file, warnings, 'warning'));
  if (error !== undefined) print(error.message);
  return config;
}
