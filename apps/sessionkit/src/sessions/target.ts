import { existsSync, readFileSync, statSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import type { AdminConfig } from '@sessionkit/compose';
import { SessionError } from '@sessionkit/session-core';
import { DEFAULT_FILE } from '../default-file.js';
import { prompt, readLine } from '../password.js';
import type { TargetOptions } from './options.js';

/** An admin API, and the credentials for it. */
export interface Target {
  /** Without a slash at its end; may have a path. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** Where the password came from, for a message that it is wrong. */
  readonly passwordFrom: string;
  /** Trusted certificates, PEM; undefined: those of the system. */
  readonly ca: readonly string[] | undefined;
  /** Whether `ca` is what the configuration says that the API shows. */
  readonly caConfigured: boolean;
  /** Of the client, PEM, where the API asks for one. */
  readonly certificate: { readonly cert: string; readonly key: string } | undefined;
  /** ms without a byte. */
  readonly timeout: number;
}

const DEFAULT_URL = 'http://127.0.0.1:8989';
const DEFAULT_USER = 'admin';
const PASSWORD_VARIABLE = 'SESSIONKIT_ADMIN_PASSWORD';

/**
 * Finds out where the admin API is and who asks. Undefined when the configuration is wrong, which is told by then.
 * @throws SessionError `CONFIG_INVALID`, `INVALID_VALUE`
 */
export async function findTarget(options: TargetOptions): Promise<Target | undefined> {
  const named = options.url ?? process.env.SESSIONKIT_ADMIN_URL;
  const useConfig = options.config !== undefined || (named === undefined && existsSync(DEFAULT_FILE));
  let admin: AdminConfig | undefined;
  if (useConfig) {
    // Reading a configuration takes longer than asking the API.
    const { loadConfig } = await import('../config-file.js');
    const config = await loadConfig(options.config, () => {});
    if (config === undefined) return undefined;
    if (config.admin === undefined) throw invalid(`${config.file}: it has no admin API; name one by --url`);
    admin = config.admin;
  }
  const url = admin === undefined ? checkUrl(named ?? DEFAULT_URL, options.insecure ?? false) : urlOf(admin);
  const user = options.userName ?? process.env.SESSIONKIT_ADMIN_USER ?? DEFAULT_USER;
  const ca = options.ca === undefined ? ownCertificate(admin) : [readText(options.ca, '--ca')];
  const caConfigured = options.ca === undefined && ca !== undefined;
  const certificate = certificateOf(options);
  const { password, from } = await findPassword(options, user, admin);
  return {
    url,
    user,
    password,
    passwordFrom: from,
    ca,
    caConfigured,
    certificate,
    timeout: options.timeout * 1000,
  };
}

function certificateOf({ cert, key }: TargetOptions): Target['certificate'] {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) throw invalid('--cert and --key belong together');
  return { cert: readText(cert, '--cert'), key: readText(key, '--key') };
}

function checkUrl(text: string, insecure: boolean): string {
  const url = parse(text);
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    throw invalid('the URL of the admin API must begin with http:// or https://');
  if (url.username !== '' || url.password !== '')
    throw invalid(
      `the URL of the admin API must not hold a password, which others could read from the list of processes: use --user-name, and ${PASSWORD_VARIABLE} or --password-file`,
    );
  if (url.search !== '' || url.hash !== '') throw invalid('the URL of the admin API must end with its path');
  if (url.protocol === 'http:' && !isLoopback(url.hostname) && !insecure)
    throw invalid(
      `the password would travel to ${url.host} in the clear: use https://, or say --insecure where the network is safe`,
    );
  return `${url.origin}${url.pathname.replace(/(?:\/v1)?\/*$/, '')}`;
}

function parse(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

const isLoopback = (host: string) =>
  host === 'localhost' || host === '[::1]' || /^127(?:\.\d+){3}$/.test(host);

/** How the API of a configuration is reached from the machine on which it runs. */
function urlOf({ address, port, tls }: AdminConfig): string {
  if (port === 0)
    throw invalid(
      'admin.listen takes a free port, which only the running program knows; name the API by --url',
    );
  const everywhere: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  const host = everywhere[address] ?? address;
  return `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The configuration says which certificate the API shows, so that one is trusted, whoever has signed it. */
function ownCertificate(admin: AdminConfig | undefined): readonly string[] | undefined {
  if (admin?.tls === undefined) return undefined;
  return [...rootCertificates, readText(admin.tls.cert, 'admin.tls.cert')];
}

async function findPassword(
  { passwordFile }: TargetOptions,
  user: string,
  admin: AdminConfig | undefined,
): Promise<{ readonly password: string; readonly from: string }> {
  const given = process.env[PASSWORD_VARIABLE];
  if (passwordFile === undefined && given) return { password: given, from: PASSWORD_VARIABLE };
  if (passwordFile === '-') return { password: await readLine(), from: 'stdin' };
  if (passwordFile !== undefined) return { password: readPassword(passwordFile), from: passwordFile };
  const first = admin && `${admin.usersFile}.password`;
  if (first !== undefined && user === DEFAULT_USER && existsSync(first))
    return { password: readPassword(first), from: first };
  if (process.stdin.isTTY && process.stderr.isTTY)
    return { password: await prompt(`Password of ${user}: `), from: 'the terminal' };
  const elsewhere = existsSync(DEFAULT_FILE)
    ? ''
    : `, or go where the ${DEFAULT_FILE} is, which is not in this folder`;
  throw invalid(
    `there is no password for ${user}: set ${PASSWORD_VARIABLE}, or give --password-file FILE ("-" for stdin)${admin === undefined ? elsewhere : ''}; --user-name names another user`,
  );
}

function readPassword(file: string): string {
  const text = readText(file, 'the password file');
  if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0)
    throw invalid(`${file}: others can read this password file: chmod 600 ${file}`);
  const [password = ''] = text.split(/\r?\n/);
  if (password === '') throw invalid(`${file}: there is no password in its first line`);
  return password;
}

function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw invalid(`${file}: ${what} cannot be read (${code})`, cause);
  }
}

function invalid(message: string, cause?: unknown): SessionError {
  return new SessionError('CONFIG_INVALID', message, { cause });
}
