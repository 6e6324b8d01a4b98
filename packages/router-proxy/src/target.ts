/** What is done with a request target (RFC 9112 section 3.2). */
export type Target =
  /** In origin form, to be sent upstream. */
  | string
  /** `*`: speaks of the server as a whole, so it is answered here. */
  | { readonly kind: 'asterisk' }
  | { readonly kind: 'refused' };

const ASTERISK: Target = { kind: 'asterisk' };
const REFUSED: Target = { kind: 'refused' };

/** Brings a target to origin form. A fragment has no place in a request and is cut off, as path rules don't see it either. */
export function originForm(url: string): Target {
  let target = url;
  if (!target.startsWith('/')) {
    if (target === '*') return ASTERISK;
    const absolute = /^https?:\/\/[^/?#]*/i.exec(target);
    if (absolute === null) return REFUSED;
    target = target.slice(absolute[0].length);
    if (!target.startsWith('/')) target = `/${target}`;
  }
  const hash = target.indexOf('#');
  return hash < 0 ? target : target.slice(0, hash);
}

export function pathOf(target: string): string {
  const mark = target.indexOf('?');
  return mark < 0 ? target : target.slice(0, mark);
}
