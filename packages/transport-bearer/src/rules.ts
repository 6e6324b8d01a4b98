/** RFC 9110 section 5.6.4: what a quoted string can hold, without the obsolete and without tabs. */
const REALM = /^[\x20-\x7e]{1,255}$/;

/** What is wrong with a realm and what to do about it; undefined when it is fine. */
export function realmProblem(realm: unknown): string | undefined {
  return typeof realm === 'string' && REALM.test(realm)
    ? undefined
    : 'is 1 to 255 printable characters of US-ASCII; leave it out for none';
}
