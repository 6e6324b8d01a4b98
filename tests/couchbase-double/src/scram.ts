import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';

const ITERATIONS = 10;
const BYTES = 64;

/** The server's side of SCRAM-SHA512: https://www.rfc-editor.org/rfc/rfc5802 */
export class Scram {
  readonly #bare: string;
  readonly #first: string;
  readonly #salted: Buffer;
  readonly #known: boolean;

  /** @param start What the client begins with. */
  constructor(start: string, user: string, password: string) {
    this.#bare = start.slice(start.indexOf('n=', 2));
    const members = membersOf(this.#bare);
    const salt = randomBytes(16);
    this.#known = members.n === user.replaceAll('=', '=3D').replaceAll(',', '=2C');
    this.#salted = pbkdf2Sync(password, salt, ITERATIONS, BYTES, 'sha512');
    this.#first = `r=${members.r}${randomBytes(12).toString('hex')},s=${salt.toString('base64')},i=${ITERATIONS}`;
  }

  /** Salt and nonce. */
  get challenge(): string {
    return this.#first;
  }

  /** The server's own proof; undefined when the client has not the password. */
  proved(last: string): string | undefined {
    const at = last.lastIndexOf(',p=');
    const said = `${this.#bare},${this.#first},${last.slice(0, at)}`;
    const clientKey = hmac(this.#salted, 'Client Key');
    const signature = hmac(createHash('sha512').update(clientKey).digest(), said);
    const wanted = Buffer.from(clientKey.map((byte, n) => byte ^ (signature[n] ?? 0)));
    const proof = Buffer.from(last.slice(at + 3), 'base64');
    if (!this.#known || proof.length !== wanted.length || !timingSafeEqual(proof, wanted)) return undefined;
    return `v=${hmac(hmac(this.#salted, 'Server Key'), said).toString('base64')}`;
  }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha512', key).update(text).digest();
}

function membersOf(text: string): Partial<Record<string, string>> {
  return Object.fromEntries(text.split(',').map((member) => [member.slice(0, 1), member.slice(2)]));
}
