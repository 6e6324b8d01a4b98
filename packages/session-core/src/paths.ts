import type { PathRule, SessionMode } from './service.js';

const STRICTNESS: readonly SessionMode[] = ['none', 'optional', 'required'];

/** What a path asks of a request. */
export interface Demand {
  readonly mode: SessionMode;
  readonly loginUrl: string | undefined;
}

/**
 * The ways in which an upstream might read a path: as it stands, percent-decoded, with backslashes as slashes, without dot and empty segments,
 * without path parameters. Lower case. All that can be decoded is, whatever else is in the path.
 */
export function readings(path: string): readonly string[] {
  const raw = path.toLowerCase();
  if (!/[%\\;]|\/\/|\/\.|.\/$/.test(raw)) return [raw];
  const decoded = decode(path).toLowerCase();
  const slashed = decoded.replaceAll('\\', '/');
  return [...new Set([raw, decoded, slashed, resolve(slashed), resolve(slashed.replace(/;[^/]*/g, ''))])];
}

/**
 * Finds what a path demands: the longest prefix of whole segments rules. Where a path can be read in several ways the strictest demand holds, so that
 * no spelling evades a rule, and none borrows a laxer one.
 */
export class PathRules {
  readonly #rules: readonly (PathRule & { readonly match: string })[];
  readonly #fallback: Demand;

  constructor(rules: readonly PathRule[], fallback: Demand) {
    this.#fallback = fallback;
    this.#rules = rules
      .map((rule) => ({ ...rule, match: resolve(decode(rule.prefix).toLowerCase()) }))
      .sort((a, b) => b.match.length - a.match.length);
  }

  demand(path: string): Demand {
    if (this.#rules.length === 0) return this.#fallback;
    let strictest: Demand | undefined;
    for (const reading of readings(path)) {
      const demand = this.#find(reading);
      if (strictest === undefined || STRICTNESS.indexOf(demand.mode) > STRICTNESS.indexOf(strictest.mode)) {
        strictest = demand;
      }
    }
    return strictest ?? this.#fallback;
  }

  #find(path: string): Demand {
    const rule = this.#rules.find(
      ({ match }) =>
        match === '/' ||
        (path.startsWith(match) && (path.length === match.length || path[match.length] === '/')),
    );
    if (rule === undefined) return this.#fallback;
    return { mode: rule.session, loginUrl: rule.loginUrl ?? this.#fallback.loginUrl };
  }
}

function decode(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) => Buffer.from(run.replaceAll('%', ''), 'hex').toString());
}

function resolve(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  return `/${kept.join('/')}`;
}
