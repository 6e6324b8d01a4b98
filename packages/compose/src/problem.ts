import { SessionError } from '@sessionkit/session-core';

/** Where a value stands in the file: keys and positions in lists. */
export type Path = readonly (string | number)[];

/** One thing that is wrong with a configuration, or (as a warning) doubtful. */
export interface Problem {
  /** `services.shop.router.servers[1]`; empty for the file as a whole. */
  readonly path: string;
  /** Line and column in the file, from 1. Unknown when the value is not written there. */
  readonly line: number | undefined;
  readonly column: number | undefined;
  /** `MODULE_MISSING` when a package has to be installed and the file is right. */
  readonly code: 'CONFIG_INVALID' | 'MODULE_MISSING';
  readonly message: string;
  /** What to do about it. */
  readonly fix: string;
}

const PLAIN_KEY = /^[A-Za-z0-9_-]+$/;

/** `['services', 'a.b', 'servers', 1]` as `services["a.b"].servers[1]`. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (!PLAIN_KEY.test(step)) text += `[${JSON.stringify(step)}]`;
    else text += text === '' ? step : `.${step}`;
  }
  return text;
}

/** Control characters of the file must not act on the terminal that shows a message. */
const visible = (text: string) =>
  text.replaceAll(/\p{Cc}/gu, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);

function formatOne(file: string, problem: Problem): string {
  const place = problem.line === undefined ? file : `${file}:${problem.line}:${problem.column}`;
  const path = problem.path === '' ? ':' : ` ${problem.path}:`;
  return `  ${visible(`${place}${path} ${problem.message}`)}\n    fix: ${visible(problem.fix)}`;
}

/** Problems (or warnings) as one block of text, with a heading that counts them. */
export function formatProblems(file: string, problems: readonly Problem[], noun = 'problem'): string {
  const count = `${problems.length} ${noun}${problems.length === 1 ? '' : 's'}`;
  return `${file}: ${count}\n${problems.map((problem) => formatOne(file, problem)).join('\n')}`;
}

/**
 * A configuration that cannot be used. `code` is `MODULE_MISSING` when nothing but packages is missing, else `CONFIG_INVALID`;
 * `message` is the whole block of {@link formatProblems}.
 */
export class ConfigError extends SessionError {
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[], cause?: unknown) {
    const missing = problems.length > 0 && problems.every(({ code }) => code === 'MODULE_MISSING');
    super(missing ? 'MODULE_MISSING' : 'CONFIG_INVALID', formatProblems(file, problems), { cause });
    this.problems = problems;
  }
}
