const AT_MOST = 3;
const NOTHING: readonly string[] = [];
/** RFC 6750 section 2.1: the scheme, whose case does not count (RFC 9110 section 11.1), and a b64token. */
const CREDENTIALS = /^[ \t]*bearer +([A-Za-z0-9\-._~+/]+=*)[ \t]*$/i;

/** Up to three bearer tokens of an `Authorization` header; repeated fields arrive joined by commas, which no b64token contains. */
export function readBearer(header: string | undefined): readonly string[] {
  if (header === undefined) return NOTHING;
  if (!header.includes(',')) {
    const value = CREDENTIALS.exec(header)?.[1];
    return value === undefined ? NOTHING : [value];
  }
  const values: string[] = [];
  let from = 0;
  while (from <= header.length && values.length < AT_MOST) {
    const comma = header.indexOf(',', from);
    const end = comma < 0 ? header.length : comma;
    const value = CREDENTIALS.exec(header.slice(from, end))?.[1];
    if (value !== undefined) values.push(value);
    from = end + 1;
  }
  return values;
}
