import { createHmac, timingSafeEqual } from 'node:crypto';
import { pathOf } from './target.js';

const MAX_AGE = 30_000;
const FORM = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/;

/** What a signature vouches for: values of the fields as they are sent, `''` for one that is not. */
export interface Signed {
  readonly method: string;
  /** Path as it is sent upstream, without the query. */
  readonly path: string;
  readonly id: string;
  readonly user: string;
  readonly data: string;
}

/** Value of `X-Session-Signature`. `now` in ms of the Unix epoch. */
export function signatureOf(signed: Signed, key: string, now: number): string {
  const seconds = String(Math.floor(now / 1000));
  return `t=${seconds},v1=${hmac(seconds, signed, key).toString('hex')}`;
}

export interface VerifyOptions {
  /** Method of the request. */
  readonly method: string;
  /** Target of the request as it arrived; its query is not part of what is signed. */
  readonly url: string;
  /** Ms of the Unix epoch. Default: the clock of the process. */
  readonly now?: number | undefined;
}

/**
 * For a service behind the gateway: whether the `X-Session-*` fields of a request come from a gateway that has `key`, and are at most 30 s old.
 *
 * @param headers as node's `request.headers` has them.
 */
export function verifySignature(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  key: string,
  { method, url, now = Date.now() }: VerifyOptions,
): boolean {
  const value = (name: string): string => {
    const field = headers[name];
    return typeof field === 'string' ? field : (field?.join(', ') ?? '');
  };
  const parts = FORM.exec(value('x-session-signature'));
  const [, seconds, code] = parts ?? [];
  if (seconds === undefined || code === undefined) return false;
  if (Math.abs(now - Number(seconds) * 1000) > MAX_AGE) return false;
  const signed: Signed = {
    method,
    path: pathOf(url),
    id: value('x-session-id'),
    user: value('x-session-user'),
    data: value('x-session-data'),
  };
  return timingSafeEqual(hmac(seconds, signed, key), Buffer.from(code, 'hex'));
}

function hmac(seconds: string, { method, path, id, user, data }: Signed, key: string): Buffer {
  return createHmac('sha256', key).update([seconds, method, path, id, user, data].join('\n')).digest();
}
