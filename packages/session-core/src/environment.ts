import { randomBytes } from 'node:crypto';
import type { SessionId } from './id.js';

/** Milliseconds: of the Unix epoch for a point in time, or a span. */
export type Millis = number;

export type LogLevel = 'debug' | 'info' | 'notice' | 'warning' | 'error';

/** One line for the process log. Carries no credential and no session data. */
export interface LogEntry {
  readonly level: LogLevel;
  readonly message: string;
  readonly service?: string | undefined;
  readonly session?: SessionId | undefined;
  readonly error?: unknown;
  /** An operator asked for such lines of this session: they are written whatever the level of the log. */
  readonly wanted?: boolean | undefined;
}

/** The one place for clock, randomness, repeating timers and log. Tests hand in their own. */
export interface Environment {
  /** Process time. Core corrects it by the clock of the store before it judges a session. */
  now(): Millis;
  /** Cryptographically strong random bytes. */
  random(bytes: number): Uint8Array;
  /** Calls `task` every `interval` ms without keeping the process alive; answers a function that stops it. */
  every(interval: Millis, task: () => void): () => void;
  log(entry: LogEntry): void;
}

/** The environment of the running process: system clock, `node:crypto`, unref'd timers; notices, warnings and errors to stderr. */
export const processEnvironment: Environment = {
  now: () => Date.now(),
  random: (bytes) => randomBytes(bytes),
  every(interval, task) {
    const timer = setInterval(task, interval);
    timer.unref();
    return () => clearInterval(timer);
  },
  log(entry) {
    if (entry.level === 'debug' || entry.level === 'info') return;
    const cause = entry.error instanceof Error ? ` (${entry.error.message})` : '';
    process.stderr.write(`sessionkit ${entry.level}: ${entry.message}${cause}\n`);
  },
};
