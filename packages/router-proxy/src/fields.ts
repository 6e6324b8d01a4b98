/** Header fields as HTTP libraries pass them: name, value, name, value. Bytes are Latin-1 characters. */
export type RawFields = readonly string[];

/** Hop-by-hop (RFC 9110 section 7.6.1, RFC 2616 section 13.5.1): each connection has its own. */
const HOP_BY_HOP = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Framing and routing can't be nominated away: a message would be read as another one behind the proxy. */
const NOT_NOMINABLE = new Set(['host', 'content-length']);

/**
 * A name as applications may come to read it: CGI, WSGI and the like write `_` for `-`, and PHP and others for every sign that is no letter or digit
 * (`X.Session.User`).
 */
export function dashed(lowerName: string): string {
  return /[^a-z0-9-]/.test(lowerName) ? lowerName.replace(/[^a-z0-9-]/g, '-') : lowerName;
}

/** Fields by which gateway and upstream speak of the session. */
export function isSessionField(dashedName: string): boolean {
  return dashedName.startsWith('x-session-');
}

/** Fields that `Connection` nominates as hop-by-hop; undefined when there are none. */
export function nominated(raw: RawFields): ReadonlySet<string> | undefined {
  let names: Set<string> | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? '';
    if (name.length !== 10 || name.toLowerCase() !== 'connection') continue;
    for (const token of (raw[i + 1] ?? '').toLowerCase().split(',')) {
      const option = token.trim();
      if (option === '' || option === 'keep-alive' || option === 'close' || NOT_NOMINABLE.has(option))
        continue;
      names ??= new Set();
      names.add(option);
    }
  }
  return names;
}

/** Whether a field belongs to one connection only. */
export function isHopByHop(lowerName: string, names: ReadonlySet<string> | undefined): boolean {
  return HOP_BY_HOP.has(lowerName) || names?.has(lowerName) === true;
}

/** All of `Transfer-Encoding`, in lower case; undefined when there is none. */
export function transferCoding(raw: RawFields): string | undefined {
  let coding: string | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]?.toLowerCase() !== 'transfer-encoding') continue;
    const value = (raw[i + 1] ?? '').trim().toLowerCase();
    coding = coding === undefined ? value : `${coding}, ${value}`;
  }
  return coding;
}

/** Fields in pairs, as trailers are given to node. */
export function inPairs(raw: RawFields): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i < raw.length; i += 2) pairs.push([raw[i] ?? '', raw[i + 1] ?? '']);
  return pairs;
}
