import type { JournalEntry } from './backend.js';
import type { LogLevel, Millis } from './environment.js';
import type { SessionId } from './id.js';

/** A request of a session, as operators see it. */
export interface Statement {
  /** Of this request alone. */
  readonly id: string;
  /** Method and path; no header, no body, and of the query what the gateway's options allow. */
  readonly statement: string;
  readonly received: Millis;
  /** Undefined: it is running. */
  readonly completed: Millis | undefined;
  /** The heads of answers, in their order; `duration` in ms from `received`. */
  readonly responses: readonly { readonly server: string; readonly duration: Millis }[];
}

/** A line of the log of a session. */
export interface LoggedLine {
  readonly at: Millis;
  readonly level: LogLevel;
  readonly text: string;
}

/** What a session did lately. */
export interface SessionActivity {
  /** Newest first. */
  readonly statements: readonly Statement[];
  /** Oldest first. */
  readonly lines: readonly LoggedLine[];
}

/** Characters of a statement or a line that are kept. */
const LONGEST = 2_000;
const LEVELS: readonly LogLevel[] = ['debug', 'info', 'notice', 'warning', 'error'];

/** `[id, statement, received, completed, most, server, duration, …]`; `most`: how many of them are to be shown. */
export function statementEntry(session: SessionId, statement: Statement, most: number): JournalEntry {
  const { id, received, completed, responses } = statement;
  const flat = responses.flatMap(({ server, duration }) => [server, duration]);
  const text = JSON.stringify([id, clipped(statement.statement), received, completed ?? null, most, ...flat]);
  return { id: session, at: received, kind: 'request', text };
}

/** `[level, most, text]` */
export function lineEntry(
  session: SessionId,
  at: Millis,
  level: LogLevel,
  text: string,
  most: number,
): JournalEntry {
  return { id: session, at, kind: 'log', text: JSON.stringify([level, most, clipped(text)]) };
}

/** What these entries of one session tell. One that cannot be understood was written by a newer version, or is damaged: it is left out. */
export function readActivity(entries: readonly JournalEntry[]): SessionActivity {
  const statements = new Map<string, Statement>();
  const lines: LoggedLine[] = [];
  let mostStatements = 0;
  let mostLines = 0;
  for (const { at, kind, text } of entries) {
    const read = parse(text);
    if (read === undefined) continue;
    if (kind === 'log') {
      const [level, most, line] = read;
      if (!LEVELS.includes(level as LogLevel) || typeof line !== 'string') continue;
      lines.push({ at, level: level as LogLevel, text: line });
      mostLines = Number(most);
    } else {
      const found = statementOf(read);
      if (found === undefined) continue;
      mostStatements = Number(read[4]);
      // A request is told while it runs and when it is over, in this or the other order.
      if (statements.get(found.id)?.completed === undefined) statements.set(found.id, found);
    }
  }
  const newest = [...statements.values()].sort((a, b) => b.received - a.received);
  return { statements: newest.slice(0, mostStatements), lines: mostLines > 0 ? lines.slice(-mostLines) : [] };
}

function statementOf(read: readonly unknown[]): Statement | undefined {
  const [id, statement, received, completed, , ...flat] = read;
  if (typeof id !== 'string' || typeof statement !== 'string' || typeof received !== 'number')
    return undefined;
  const responses: { server: string; duration: Millis }[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2)
    responses.push({ server: String(flat[i]), duration: Number(flat[i + 1]) });
  return {
    id,
    statement,
    received,
    completed: typeof completed === 'number' ? completed : undefined,
    responses,
  };
}

function parse(text: string): readonly unknown[] | undefined {
  try {
    const read: unknown = JSON.parse(text);
    return Array.isArray(read) ? read : undefined;
  } catch {
    return undefined;
  }
}

function clipped(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}
