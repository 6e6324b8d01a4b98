import { formatPath, type Path, type Problem } from './problem.js';

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Collects problems and warnings while a file is checked, and knows where its values stand. */
export class Report {
  readonly problems: Problem[] = [];
  readonly warnings: Problem[] = [];
  /** By {@link formatPath}. */
  readonly positions = new Map<string, Position>();
  /** Paths of values whose whole text was one `${NAME}`. */
  readonly substituted = new Map<string, Path>();
  /** Paths of values with a part from an environment variable: it may be a secret, so messages do not show them. */
  readonly fromVariables = new Set<string>();
  /** Paths of values that could not be read: what else would be wrong with them is only a consequence. */
  readonly #unreadable = new Set<string>();

  problem(path: Path, message: string, fix: string, code: Problem['code'] = 'CONFIG_INVALID'): void {
    const problem = this.#build(path, message, fix, code);
    if (this.#unreadable.has(problem.path)) return;
    const known = this.problems.some(
      ({ path: at, message: text }) => at === problem.path && text === message,
    );
    if (!known) this.problems.push(problem);
  }

  /** A problem after which nothing more is said about this value. */
  unreadable(path: Path, message: string, fix: string): void {
    this.problem(path, message, fix);
    this.#unreadable.add(formatPath(path));
  }

  warn(path: Path, message: string, fix: string): void {
    const warning = this.#build(path, message, fix, 'CONFIG_INVALID');
    const known = this.warnings.some(
      ({ path: at, message: text }) => at === warning.path && text === message,
    );
    if (!known) this.warnings.push(warning);
  }

  /** The position of a value, or of the nearest one around it. */
  position(path: Path): Position | undefined {
    for (let length = path.length; length > 0; length--) {
      const position = this.positions.get(formatPath(path.slice(0, length)));
      if (position !== undefined) return position;
    }
    return undefined;
  }

  isWritten(path: Path): boolean {
    return this.positions.has(formatPath(path));
  }

  /** Sorted as the file is read; what stands nowhere in it comes last. */
  sorted(list: readonly Problem[]): readonly Problem[] {
    const far = Number.POSITIVE_INFINITY;
    return [...list].sort(
      (a, b) => (a.line ?? far) - (b.line ?? far) || (a.column ?? far) - (b.column ?? far) || 0,
    );
  }

  #build(path: Path, message: string, fix: string, code: Problem['code']): Problem {
    const at = this.position(path);
    return { path: formatPath(path), line: at?.line, column: at?.column, code, message, fix };
  }
}
