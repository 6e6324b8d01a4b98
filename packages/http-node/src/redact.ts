/** User and password before the host of a target in absolute form. */
const USER = /^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i;

/**
 * Takes the values of credential parameters out of a URL, for logs: `/x?_token=abc&y=1` becomes `/x?_token=REDACTED&y=1`. A name is recognised however it is
 * percent-encoded, exactly as a server decodes it (case counts). A user and a
 * password before the host go; all else stays as it was sent.
 */
export function redactUrl(given: string, names: readonly string[]): string {
  const url = given.startsWith('/') ? given : given.replace(USER, '$1');
  const mark = url.indexOf('?');
  if (mark < 0 || names.length === 0) return url;
  const hash = url.indexOf('#', mark);
  const end = hash < 0 ? url.length : hash;
  let changed = false;
  const parts = url
    .slice(mark + 1, end)
    .split('&')
    .map((part) => {
      const equals = part.indexOf('=');
      if (equals < 0 || !names.includes(decodeName(part.slice(0, equals)))) return part;
      changed = true;
      return `${part.slice(0, equals)}=REDACTED`;
    });
  return changed ? `${url.slice(0, mark + 1)}${parts.join('&')}${url.slice(end)}` : url;
}

function decodeName(name: string): string {
  if (!/[%+]/.test(name)) return name;
  // The parser that the transport's parameters go through, so that both understand the same names.
  for (const key of new URLSearchParams(`&${name}=`).keys()) return key;
  return name;
}
