export const DEFAULT_PARAM = '_token';

/** RFC 3986 section 2.3: characters that never need an escape, so that the name in a URL is the name, wherever it is looked for. */
const PARAM = /^[A-Za-z0-9._~-]{1,64}$/;

/** What is wrong with the name of a parameter and what to do about it; undefined when it is fine. */
export function paramProblem(param: unknown): string | undefined {
  return typeof param === 'string' && PARAM.test(param)
    ? undefined
    : 'is 1 to 64 letters, digits and . _ ~ - such as _token';
}
