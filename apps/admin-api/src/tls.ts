import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureVersion } from 'node:tls';
import { type Environment, SessionError } from '@sessionkit/session-core';

/** PEM files. */
export interface TlsFiles {
  /** The certificate, and after it those that vouch for it. */
  readonly cert: string;
  readonly key: string;
  /** Authorities: then only clients that show a certificate of one of theirs are let in. */
  readonly ca?: string | undefined;
  /** Default `TLSv1.2`. */
  readonly minVersion?: Extract<SecureVersion, 'TLSv1.2' | 'TLSv1.3'> | undefined;
}

/** What node's TLS takes. */
export interface TlsOptions {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
  readonly minVersion: SecureVersion;
  readonly requestCert: boolean;
  readonly rejectUnauthorized: boolean;
}

/**
 * Reads the files and checks that they fit together. A certificate that is not valid now is only warned of: it may be renewed while the process runs.
 * @throws SessionError `CONFIG_INVALID` with the key of the configuration, the path and the fix; never with anything of the private key.
 */
export async function readTls(
  files: TlsFiles,
  { log, now }: Pick<Environment, 'log' | 'now'>,
): Promise<TlsOptions> {
  const cert = await readPem('cert', files.cert);
  const key = await readPem('key', files.key);
  const ca = files.ca === undefined ? undefined : await readPem('ca', files.ca);

  const certificate = certificateOf('cert', files.cert, cert);
  if (ca !== undefined && files.ca !== undefined) certificateOf('ca', files.ca, ca);
  if (!certificate.checkPrivateKey(privateKeyOf(files.key, key))) {
    throw wrong('key', files.key, `is not the key of the certificate in ${files.cert}. Name the pair`);
  }
  const options = {
    cert,
    key,
    ...(ca !== undefined && { ca }),
    minVersion: files.minVersion ?? 'TLSv1.2',
    requestCert: ca !== undefined,
    rejectUnauthorized: true,
  };
  try {
    createSecureContext(options);
  } catch (cause) {
    throw wrong('cert', files.cert, `cannot be used for TLS (${codeOf(cause)}). Make a new pair`, cause);
  }
  const { validFrom, validTo } = certificate;
  if (now() < Date.parse(validFrom) || now() > Date.parse(validTo)) {
    const message = `admin.tls.cert: ${files.cert} is valid from ${validFrom} to ${validTo}, and so not now: clients will refuse it. Renew it`;
    log({ level: 'warning', message });
  }
  return options;
}

/** What a server with these files would say at its start. @throws SessionError `CONFIG_INVALID` as {@link readTls} does */
export async function checkTls(
  files: TlsFiles,
  environment: Pick<Environment, 'log' | 'now'>,
): Promise<void> {
  await readTls(files, environment);
}

type Name = 'cert' | 'key' | 'ca';

async function readPem(name: Name, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw wrong(
      name,
      path,
      `cannot be read (${codeOf(cause)}). Name a PEM file that this process may read`,
      cause,
    );
  }
}

function certificateOf(name: Name, path: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw wrong(name, path, 'holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)', cause);
  }
}

function privateKeyOf(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    const fix =
      codeOf(cause) === 'ERR_MISSING_PASSPHRASE' || /ENCRYPTED/.test(pem)
        ? 'is encrypted. Decrypt it into a file that only this process can read: openssl pkey -in FILE -out FILE'
        : 'holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)';
    throw wrong('key', path, fix);
  }
}

function wrong(name: Name, path: string, what: string, cause?: unknown): SessionError {
  return new SessionError('CONFIG_INVALID', `admin.tls.${name}: ${path} ${what}.`, { cause });
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown error';
}
