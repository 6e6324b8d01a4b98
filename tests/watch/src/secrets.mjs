// Noticing every secret at the moment it is made, without the product knowing.
import crypto from 'node:crypto';
import { noteSecret } from './sink.mjs';

const SECRET_BYTES = 32;
const SECRET_CHARS = 43;
/** Of a password that the program makes. */
const PASSWORD_BYTES = 18;
const MOST_CANDIDATES = 10_000;

/**
 * A session's secret is 32 bytes written as base64url of which SHA-256 is then stored. Both steps together tell it from a key, a
 * digest, and a made-up token that a test presents; wherever its bytes come from.
 */
export function watchSecrets() {
  const candidates = new Set();
  const noted = new Set();

  const original = Buffer.prototype.toString;
  Buffer.prototype.toString = function (...args) {
    const text = Reflect.apply(original, this, args);
    if (args[0] === 'base64url' && this.length === SECRET_BYTES) {
      candidates.add(text);
      if (candidates.size > MOST_CANDIDATES) candidates.delete(candidates.values().next().value);
    }
    return text;
  };

  const { hash, randomBytes } = crypto;
  crypto.hash = (...args) => {
    const [, input] = args;
    if (input.length === SECRET_CHARS && candidates.delete(input)) noteSecret(input, 'session');
    return hash(...args);
  };

  crypto.randomBytes = (...args) => {
    const bytes = randomBytes(...args);
    if (args[0] === PASSWORD_BYTES && args[1] === undefined) notePassword(bytes.toString('base64url'));
    return bytes;
  };

  /** Only one that can't be met by chance: a test may choose a word. */
  function notePassword(password) {
    if (!/^[A-Za-z0-9_-]{12,}$/.test(password) || noted.has(password)) return;
    noted.add(password);
    noteSecret(password, 'password');
  }
  return notePassword;
}
