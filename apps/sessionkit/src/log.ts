import type { Environment, LogEntry, LogLevel } from '@sessionkit/session-core';
import { processEnvironment } from '@sessionkit/session-core';
import { type DestinationStream, type Logger, pino } from 'pino';

const LEVELS: Readonly<Record<LogLevel, number>> = {
  debug: 20,
  info: 30,
  notice: 35,
  warning: 40,
  error: 50,
};

/** More than this waiting for a reader who does not read is dropped rather than kept. */
const MOST_WAITING = 16 * 1024 * 1024;
const FLUSH_TIMEOUT = 1_000;

/** The two logs of the program: what happens to it (stderr), and what was asked of it (stdout). */
export interface Logs {
  /** Of the process, with its log going to stderr. */
  readonly environment: Environment;
  /** One line for the process log. */
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** One JSON line on stdout. */
  access(fields: Readonly<Record<string, unknown>>): void;
  /** Waits until what was logged is written, at most a second. */
  flush(): Promise<void>;
}

/** Logs of the running process. A reader that goes away (EPIPE) ends the log and not the process. */
export function openLogs(): Logs {
  // Written in the background: a slow reader of a log must not slow requests down.
  const out = pino.destination({ dest: 1, sync: false, maxLength: MOST_WAITING });
  const err = pino.destination({ dest: 2, sync: false, maxLength: MOST_WAITING });
  const access = createLogger(out, false);
  const logger = createLogger(process.stderr.isTTY ? forPeople(err) : err, true);
  const log: Logs['log'] = (level, message, fields = {}) => logger[level](fields, message);
  return {
    environment: {
      ...processEnvironment,
      log: ({ level, message, error, ...fields }: LogEntry) => log(level, message, { ...fields, err: error }),
    },
    log,
    access: (fields) => access.info(fields),
    flush: async () => {
      await Promise.all([flushed(out), flushed(err)]);
    },
  };
}

function createLogger(destination: DestinationStream, withLevel: boolean): Logger<LogLevel> {
  return pino<LogLevel>(
    {
      base: null,
      level: 'info',
      customLevels: LEVELS,
      useOnlyCustomLevels: true,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => (withLevel ? { level: label } : {}) },
    },
    destination,
  );
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

function flushed(destination: ReturnType<typeof pino.destination>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, FLUSH_TIMEOUT);
    destination.flush(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
