import { parseCookie } from 'cookie';

const SEMICOLON = 59;
const QUOTE = 34;
const AT_MOST = 3;
const NOTHING: readonly string[] = [];

const decode = { decode: unquote };

/**
 * Up to three values of the cookie `name`, in the order of the header. Finds them without taking the header apart: only what
 * belongs to the name goes through the cookie library.
 */
export function readCookies(header: string | undefined, name: string): readonly string[] {
  if (header === undefined) return NOTHING;
  const search = `${name}=`;
  let at = header.indexOf(search);
  if (at < 0) return NOTHING;
  const values: string[] = [];
  while (at >= 0 && values.length < AT_MOST) {
    if (!beginsCookie(header, at)) {
      at = header.indexOf(search, at + 1);
      continue;
    }
    const semicolon = header.indexOf(';', at);
    const end = semicolon < 0 ? header.length : semicolon;
    const value = parseCookie(header.slice(at, end), decode)[name];
    if (value !== undefined) values.push(value);
    at = header.indexOf(search, end);
  }
  return values;
}

/** Only white space stands between `at` and the start of the header or a semicolon. */
function beginsCookie(header: string, at: number): boolean {
  for (let i = at - 1; i >= 0; i--) {
    const code = header.charCodeAt(i);
    if (code === SEMICOLON) return true;
    if (code !== 32 && code !== 9) return false;
  }
  return true;
}

/** RFC 6265 section 4.1.1 allows quotes around a value; they are not part of it. Nothing is percent-decoded: a token needs none. */
function unquote(value: string): string {
  const last = value.length - 1;
  return last > 0 && value.charCodeAt(0) === QUOTE && value.charCodeAt(last) === QUOTE
    ? value.slice(1, last)
    : value;
}
