import type { Reloaded } from '@sessionkit/admin-api';
import {
  type CheckedConfig,
  type ConfigError,
  formatProblems,
  type Problem,
  readConfig,
} from '@sessionkit/compose';
import { SessionError } from '@sessionkit/session-core';
import type { Logs } from './log.js';

/** What goes on by another configuration, as `App` does. */
interface Reloading {
  become(config: CheckedConfig): Promise<Extract<Reloaded, { changes: unknown }>['changes']>;
}

/** Reads a configuration again and has the app go on by it, one reload after the other. What becomes of it is logged. */
export class Reloader {
  readonly #file: string;
  readonly #logs: Logs;
  readonly #app: () => Reloading | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** @param app undefined while it starts */
  constructor(file: string, logs: Logs, app: () => Reloading | undefined) {
    this.#file = file;
    this.#logs = logs;
    this.#app = app;
  }

  /** Never rejects. */
  reload(): Promise<Reloaded> {
    const done = this.#last.then(() => this.#reload());
    this.#last = done;
    return done;
  }

  async #reload(): Promise<Reloaded> {
    try {
      const app = this.#app();
      if (app === undefined) throw new SessionError('CONFIG_INVALID', 'the process is starting');
      const { config, warnings, error } = await readConfig(this.#file, { resolveFrom: import.meta.url });
      if (warnings.length > 0) this.#logs.log('warning', formatProblems(this.#file, warnings, 'warning'));
      if (error !== undefined) throw error;
      const nothing = nothingListens(config);
      if (nothing !== undefined) throw new SessionError('CONFIG_INVALID', nothing);
      const changes = await app.become(config);
      const what = changes.map(({ what, path }) => `${path} ${what}`).join(', ') || 'nothing is different';
      this.#logs.log('notice', `reloaded ${this.#file}: ${what}`, { changes });
      return { changes };
    } catch (error) {
      const problems = problemsOf(error);
      const message = `${this.#file} was not taken, and nothing has changed: ${problems.join(' · ')}`;
      // What people wrote is told in words. Anything else is a mistake of ours, or of a module.
      this.#logs.log('error', message, error instanceof SessionError ? { problems } : { err: error });
      return { problems };
    }
  }
}

/** Why a configuration would run nothing; undefined when it does. */
export function nothingListens({ file, listeners, admin }: CheckedConfig): string | undefined {
  if (listeners.length > 0 || admin !== undefined) return undefined;
  return `${file}: nothing would listen. Add a listener under "listeners:", or the admin API.`;
}

/** For an answer of the admin API. */
function problemsOf(error: unknown): readonly string[] {
  if (!(error instanceof SessionError)) return ['The reload failed. The log of the process says why.'];
  // `instanceof` of a SessionError knows no kinds of it.
  return 'problems' in error ? (error as ConfigError).problems.map(inWords) : [error.message];
}

function inWords({ path, line, column, message, fix }: Problem): string {
  const place = line === undefined ? '' : `line ${line}:${column} `;
  return `${place}${path === '' ? '' : `${path}: `}${message}. Fix: ${fix}`;
}
