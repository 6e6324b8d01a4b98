import { execFile } from 'node:child_process';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { throwawayFolder } from './launch.js';

const run = promisify(execFile);

export interface Certificate {
  /** Paths of PEM files, which the server may read. */
  readonly key: string;
  readonly cert: string;
  /** The certificate, which has signed itself. */
  readonly ca: string;
  readonly folder: string;
}

/** A certificate for `localhost`. @param owner System user of the server, where this process is root: it alone may read the key. */
export async function certificateFor(owner: string): Promise<Certificate> {
  const folder = await throwawayFolder('tls');
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const made = ['-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '2'];
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  await run('openssl', ['req', '-x509', ...made, ...name]);
  await chmod(key, 0o600);
  if (process.getuid?.() === 0) await run('chown', [owner, key, cert]);
  return { key, cert, ca: await readFile(cert, 'utf8'), folder };
}
