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

/** Applications behind CGI, WSGI and the like can't tell `_` from `-`. */
export function dashed(lowerName: string): string {
  return lowerName.includes('_') ? lowerName.replaceAll('_', '-') : lowerName;
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

/** Fields in pairs, as trailers are given to node. */
export function inPairs(raw: RawFields): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i < raw.length; i += 2) pairs.push([raw[i] ?? '', raw[i + 1] ?? '']);
  return pairs;
}
