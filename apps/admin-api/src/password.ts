import { type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';

/** Cost of scrypt (RFC 7914): N = 2^ln. It needs 128 * N * r bytes of memory. */
export interface ScryptCost {
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

/**
 * 32 MiB and three passes: one of the equivalent minimum settings of the OWASP Password Storage Cheat Sheet, chosen over 128 MiB with one pass because two
 * hashes at a time must fit into a small container. The cost is stored with each hash, so that it can be raised later.
 */
export const DEFAULT_COST: ScryptCost = { ln: 15, r: 8, p: 3 };

const SALT_BYTES = 16;
const HASH_BYTES = 32;

/** The PHC string format: `$scrypt$ln=15,r=8,p=3$salt$hash`, base64 without padding. The bounds keep a broken file from asking for gigabytes. */
export const PHC_FORM =
  /^\$scrypt\$ln=(?<ln>[1-9]|1\d|20),r=(?<r>[1-9]|1\d|2\d|3[0-2]),p=(?<p>[1-9]|1[0-6])\$(?<salt>[A-Za-z0-9+/]{22,86})\$(?<hash>[A-Za-z0-9+/]{43})$/;

export async function hashPassword(
  password: string,
  cost: ScryptCost,
  random: (bytes: number) => Uint8Array,
): Promise<string> {
  const salt = Buffer.from(random(SALT_BYTES));
  const hash = await derive(password, salt, cost);
  return `$scrypt$ln=${cost.ln},r=${cost.r},p=${cost.p}$${unpadded(salt)}$${unpadded(hash)}`;
}

/** Whether `password` is the one that `stored` was made from. Takes as long for a wrong one. */
export async function checkPassword(password: string, stored: string): Promise<boolean> {
  const parts = PHC_FORM.exec(stored)?.groups;
  if (parts === undefined) return false;
  const cost = { ln: Number(parts.ln), r: Number(parts.r), p: Number(parts.p) };
  const expected = Buffer.from(parts.hash ?? '', 'base64');
  const hash = await derive(password, Buffer.from(parts.salt ?? '', 'base64'), cost);
  return timingSafeEqual(hash, expected);
}

/** False, after as long as a check against a hash of `cost`: what an unknown user costs where there are no users. */
export async function wasteTime(password: string, cost: ScryptCost): Promise<boolean> {
  await derive(password, Buffer.alloc(SALT_BYTES), cost);
  return false;
}

function derive(password: string, salt: Buffer, cost: ScryptCost): Promise<Buffer> {
  const N = 2 ** cost.ln;
  const options: ScryptOptions = { N, r: cost.r, p: cost.p, maxmem: 128 * cost.r * (N + cost.p + 2) };
  return new Promise((resolve, reject) => {
    // NFC: the same letters typed on another keyboard are the same password (RFC 8265).
    scrypt(password.normalize('NFC'), salt, HASH_BYTES, options, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
