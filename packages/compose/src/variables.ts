/** Values for `${NAME}`; `process.env` has this form. */
export type Variables = Readonly<Record<string, string | undefined>>;

export interface Substitution {
  readonly text: string;
  /** The text was one `${NAME}` and nothing else. */
  readonly whole: boolean;
  /** What was put in from variables, not from defaults. */
  readonly values: readonly string[];
  readonly problems: readonly { readonly message: string; readonly fix: string }[];
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const PLACE = /\$\$\{|\$\{([^}]*)(\}?)/g;

/**
 * Puts values in the place of `${NAME}` and `${NAME:-default}` (the default stands in for a variable that is unset or empty).
 * `$${` is a literal `${`. What is put in is not looked at again.
 */
export function substitute(text: string, variables: Variables): Substitution {
  if (!text.includes('${')) return { text, whole: false, values: [], problems: [] };
  const values: string[] = [];
  const problems: { message: string; fix: string }[] = [];
  const result = text.replaceAll(PLACE, (match, inner: string | undefined, end: string | undefined) => {
    if (inner === undefined) return '${';
    if (end === '') {
      problems.push({
        message: `a "\${" has no closing "}"`,
        fix: `close it, or write "$\${" for the two characters themselves`,
      });
      return match;
    }
    const split = inner.indexOf(':-');
    const name = split === -1 ? inner : inner.slice(0, split);
    const fallback = split === -1 ? undefined : inner.slice(split + 2);
    if (!NAME.test(name)) {
      problems.push({
        message: `${JSON.stringify(`\${${name}}`)} does not name an environment variable`,
        fix: `write \${NAME} or \${NAME:-default}, or "$\${" for the two characters themselves`,
      });
      return match;
    }
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
    if (value !== undefined && (value !== '' || fallback === undefined)) {
      values.push(value);
      return value;
    }
    if (fallback !== undefined) return fallback;
    problems.push({
      message: `the environment variable ${name} is not set`,
      fix: `set ${name}, or give a default: \${${name}:-…}`,
    });
    return match;
  });
  return { text: result, whole: /^\$\{[^}]*\}$/.test(text), values, problems };
}
