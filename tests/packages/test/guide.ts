// The service in Python and the configuration of the guide to the gateway, beside packages from their tarballs.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

const guide = join(import.meta.dirname, '..', '..', '..', 'docs', 'gateway.md');

/** Whoever runs the two has it in the environment. */
export const KEY = { GATEWAY_KEY: 'a key of 16 letters' };

/** Writes both into `folder`, on free ports, and starts the service; `close` ends it. */
export async function startGuide(folder: string): Promise<{ file: string; close(): Promise<void> }> {
  mkdirSync(folder, { recursive: true });
  const ports = new Map<string, string>();
  for (const usual of ['8080', '8989', '9001']) ports.set(usual, await freePort());
  const text = readFileSync(guide, 'utf8').replace(/\b\d{4}\b/g, (number) => ports.get(number) ?? number);
  for (const name of ['shop.py', 'sessionkit.yaml']) {
    const [, block] = new RegExp(`\`\`\`\\w+\n(# ${name}\n[\\s\\S]*?)\`\`\``).exec(text) ?? [];
    if (block === undefined) throw new Error(`the guide has no ${name}`);
    writeFileSync(join(folder, name), block);
  }
  const shop = spawn('python3', ['shop.py'], { cwd: folder, env: { ...process.env, ...KEY } });
  const closed = once(shop, 'close');
  await once(shop.stdout, 'data');
  const close = async () => {
    shop.kill();
    await closed;
  };
  return { file: join(folder, 'sessionkit.yaml'), close };
}

export async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return String(address.port);
}
