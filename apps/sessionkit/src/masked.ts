const MASK = '****';

/** What a credential looks like, and what is put in its place. None begins with a repetition: each letter of a long word would be looked at from each letter before it. */
const CREDENTIALS: readonly (readonly [RegExp, string])[] = [
  // A session's token: its id is public, what follows the dot is not.
  [/\b(s[0-9a-z]{26})(?:\.|%2e)[\w-]{20,}/gi, `$1.${MASK}`],
  // Words after these, such as "basic user", are none.
  [/\b([Bb]asic|[Bb]earer|[Dd]igest)\s+(?=[\w.~+/=-]*[\dA-Z=])[\w.~+/=-]{4,}/g, `$1 ${MASK}`],
  // Of a URL: up to its last `@`, since a password may have one.
  [/(:\/\/)[^\s/?#"']*@/g, `$1${MASK}@`],
  [
    /((?:password|passwd|pwd|secret|token|api_?key|sign_?key|authorization|cookie)["']?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|[^\s,;&}\])]+)/gi,
    `$1${MASK}`,
  ],
];

/** A text without what looks like a credential. The process log has none; this is for what a library puts into the message of an error. */
export function masked(text: string): string {
  return CREDENTIALS.reduce((rest, [pattern, put]) => rest.replace(pattern, put), text);
}
