// Finding any of many secrets in a text in one pass. Every form is of base64url characters, so that eight of them make a number,
// and a bit map of 8 MB says for nearly every place of the text that no secret begins there.

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const SEXTETS = new Int8Array(256).fill(-1);
for (let i = 0; i < ALPHABET.length; i++) SEXTETS[ALPHABET.charCodeAt(i)] = i;

const FIRST = 8;
const KEY = 12;
const slot = (high, low) => (Math.imul(high, 0x9e3779b1) ^ Math.imul(low, 0x85ebca6b)) >>> 6;

/** The last of these is the secret itself; the others are how it looks in the middle of a text that was written as base64. */
const PHASES = [0, 1, 2, undefined];

function inForm(secret, phase) {
  if (phase === undefined) return secret;
  const encoded = Buffer.from('?'.repeat(phase) + secret).toString('base64url');
  return encoded.slice(Math.ceil((phase * 8) / 6), Math.floor(((phase + secret.length) * 8) / 6));
}

/** Answers a function that yields `{ at, length, secret, what, form }` for each secret in a buffer. */
export function finder(secrets) {
  const begins = new Uint8Array(1 << 23);
  const owners = new Map();
  for (const secret of secrets.keys()) {
    for (const phase of PHASES) {
      const key = inForm(secret, phase).slice(0, KEY);
      let [high, low] = [0, 0];
      for (let i = 0; i < FIRST / 2; i++) {
        high = (high << 6) | SEXTETS[key.charCodeAt(i)];
        low = (low << 6) | SEXTETS[key.charCodeAt(i + FIRST / 2)];
      }
      const bit = slot(high, low);
      begins[bit >> 3] |= 1 << (bit & 7);
      owners.set(key, secret);
    }
  }

  return function* find(bytes) {
    let [high, low, run] = [0, 0, 0];
    for (let i = 0; i < bytes.length; i++) {
      const sextet = SEXTETS[bytes[i]];
      if (sextet < 0) {
        run = 0;
        continue;
      }
      high = ((high << 6) | (low >> 18)) & 0xffffff;
      low = ((low << 6) | sextet) & 0xffffff;
      if (++run < FIRST) continue;
      const bit = slot(high, low);
      if ((begins[bit >> 3] & (1 << (bit & 7))) === 0) continue;
      const at = i - FIRST + 1;
      const key = bytes.toString('latin1', at, at + KEY);
      const secret = owners.get(key);
      if (secret === undefined) continue;
      for (const phase of PHASES) {
        const text = inForm(secret, phase);
        if (!text.startsWith(key) || bytes.toString('latin1', at, at + text.length) !== text) continue;
        const form = phase === undefined ? 'as it is' : 'in base64';
        yield { at, length: text.length, secret, what: secrets.get(secret), form };
      }
    }
  };
}
