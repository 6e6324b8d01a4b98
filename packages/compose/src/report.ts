import { formatPath, type Path, type Problem } from './problem.js';

export interface Position {
  readonly line: number;
  readonly column: number;
}

const SHORTEST_HIDDEN = 6;

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
  /** What variables put into the file, for {@link hide}. */
  readonly #hidden = new Map<string, RegExp>();
  /** Paths of values that could not be read: what else would be wrong with them is only a consequence. */
  readonly #unreadable = new Set<string>();

  /**
   * Takes a text out of all messages from now on, whatever value they are about. Shorter ones are no secrets and stand in many messages by chance: a port,
   * `true`; the message about the value itself does not show them either.
   */
  hide(text: string): void {
    if (text.length < SHORTEST_HIDDEN || this.#hidden.has(text)) return;
    const forms = [text, JSON.stringify(text).slice(1, -1)].map((form) =>
      form.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'),
    );
    // A URL writes its host in lower case.
    this.#hidden.set(text, new RegExp(forms.join('|'), 'gi'));
  }

  problem(path: Path, message: string, fix: string, code: Problem['code'] = 'CONFIG_INVALID'): void {
    const problem = this.#build(path, message, fix, code);
    if (this.#unreadable.has(problem.path)) return;
    const known = this.problems.some(
      ({ path: at, message: text }) => at === problem.path && text === problem.message,
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
      ({ path: at, message: text }) => at === warning.path && text === warning.message,
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
    return {
      path: formatPath(path),
      line: at?.line,
      column: at?.column,
      code,
      message: this.#masked(message),
      fix: this.#masked(fix),
    };
  }

  #masked(text: string): string {
    let masked = text;
    for (const form of this.#hidden.values()) masked = masked.replaceAll(form, '…');
    return masked;
  }
}
