import type { Environment, LogEntry, LogLevel } from '@sessionkit/session-core';
import { processEnvironment } from '@sessionkit/session-core';
import { type DestinationStream, type Logger, pino } from 'pino';
import { LogRing } from './log-ring.js';
import { Output } from './output.js';

const LEVELS: Readonly<Record<LogLevel, number>> = {
  debug: 20,
  info: 30,
  notice: 35,
  warning: 40,
  error: 50,
};

/** What the process log has. */
export const SHOWN: readonly LogLevel[] = ['info', 'notice', 'warning', 'error'];

/** The two logs of the program: what happens to it (stderr), and what was asked of it (stdout). */
export interface Logs {
  /** Of the process, with its log going to stderr. */
  readonly environment: Environment;
  /** One line for the process log. */
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** One JSON line on stdout. */
  access(fields: Readonly<Record<string, unknown>>): void;
  /** The newest lines of the process log. */
  readonly recent: LogRing;
  /** Waits until what was logged so far is written, at most a second. */
  flush(): Promise<void>;
  /** Waits until what was logged is written, at most a second. What is logged later is dropped. */
  close(): Promise<void>;
}

const WAITS = 'cannot be written; its lines wait until it can, 16 MB of them at most';

/** Logs of the running process. What is wrong with one of the two is told by the other. */
export function openLogs(): Logs {
  const out = new Output(1, (error) => log('error', `stdout ${WAITS}`, { err: error }));
  const err = new Output(2, (error) => {
    recent.add('error', `stderr ${WAITS}`, { err: error });
    access({ error: `stderr ${WAITS} (${error.message})` });
  });
  const logger = createLogger(process.stderr.isTTY ? forPeople(err) : err);
  const recent = new LogRing();
  const log: Logs['log'] = (level, message, fields = {}) => {
    logger[level](fields, message);
    if (SHOWN.includes(level)) recent.add(level, message, fields);
  };
  const access: Logs['access'] = (fields) =>
    out.write(`${JSON.stringify({ time: new Date().toISOString(), ...fields })}\n`);
  return {
    environment: {
      ...processEnvironment,
      log: ({ level, message, error, ...fields }: LogEntry) => log(level, message, { ...fields, err: error }),
    },
    log,
    recent,
    flush: async () => {
      await Promise.all([out.flush(), err.flush()]);
    },
    access,
    close: async () => {
      await Promise.all([out.close(), err.close()]);
    },
  };
}

function createLogger(destination: DestinationStream): Logger<LogLevel> {
  return pino<LogLevel>(
    {
      base: null,
      level: 'info',
      customLevels: LEVELS,
      useOnlyCustomLevels: true,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: toldOnce },
    },
    destination,
  );
}

/** As pino writes errors, but without the message of a cause that the error's own has already. */
export function toldOnce(error: Error): object {
  const shown = pino.stdSerializers.err(error);
  const { cause } = error;
  const said = cause instanceof Error && cause.message !== '' && error.message.includes(cause.message);
  return said ? { ...shown, message: error.message } : shown;
}

/** On a terminal: the message, and how bad it is. */
function forPeople(destination: DestinationStream): DestinationStream {
  return {
    write(line) {
      const { level, msg, err } = JSON.parse(line) as {
        level: string;
        msg: string;
        err?: { message?: string };
      };
      const name = level === 'info' || level === 'notice' ? '' : `${level}: `;
      destination.write(`${name}${msg}${err?.message === undefined ? '' : ` (${err.message})`}\n`);
    },
  };
}
