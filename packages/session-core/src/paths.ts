import type { PathRule } from './service.js';

/**
 * A path as an upstream might understand it: percent-decoded, without empty and dot segments, backslashes read as slashes, lower case.
 * A rule must not be evaded by another spelling of the path that it protects.
 */
export function normalisePath(path: string): string {
  let text = path;
  if (text.includes('%')) {
    try {
      text = decodeURIComponent(text);
    } catch {
      // Not decodable: compared as it stands.
    }
  }
  if (!/[\\;]|\/\/|\/\.|\/$/.test(text)) return text.toLowerCase();
  const kept: string[] = [];
  for (const part of text.replaceAll('\\', '/').split('/')) {
    const segment = part.split(';', 1)[0] ?? '';
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  return `/${kept.join('/')}`.toLowerCase();
}

/** Finds the rule for a path: the longest prefix of whole segments. */
export class PathRules {
  readonly #rules: readonly (PathRule & { readonly match: string })[];

  constructor(rules: readonly PathRule[]) {
    this.#rules = rules
      .map((rule) => ({ ...rule, match: normalisePath(rule.prefix) }))
      .sort((a, b) => b.match.length - a.match.length);
  }

  find(path: string): PathRule | undefined {
    if (this.#rules.length === 0) return undefined;
    const normal = normalisePath(path);
    return this.#rules.find(
      ({ match }) =>
        match === '/' ||
        (normal.startsWith(match) && (normal.length === match.length || normal[match.length] === '/')),
    );
  }
}
