import { App } from './app.js';
import { loadConfig, print } from './config-file.js';
import { type Logs, openLogs } from './log.js';

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** `sessionkit serve`: until a signal or a fault that nobody caught ends it. Answers the exit code. */
export async function serve(file: string | undefined): Promise<number> {
  const logs = openLogs();
  const config = await loadConfig(file, (text) => logs.log('warning', text));
  if (config === undefined) {
    await logs.flush();
    return 1;
  }
  if (config.listeners.length === 0 && config.admin === undefined) {
    print(`${config.file}: nothing would listen. Add a listener under "listeners:", or the admin API.`);
    return 1;
  }
  const end = new End(logs);
  const starting = App.start(config, logs);
  let code: number;
  try {
    const app = await starting;
    await end.asked;
    logs.log('info', `stopping: ${end.reason}`);
    const well = await app.stop(end.now.signal);
    code = well && !end.failed ? 0 : 1;
  } catch (error) {
    logs.log('error', end.reason === undefined ? 'it could not start' : 'it could not stop cleanly', {
      err: error,
    });
    code = 1;
  }
  await logs.flush();
  // A handle that somebody forgot must not keep a stopped gateway alive.
  process.exit(code);
}

/** Why and how quickly the program is to end. */
class End {
  /** Resolves when it is to end. */
  readonly asked: Promise<void>;
  /** Aborts when it is to end at once. */
  readonly now = new AbortController();
  reason: string | undefined;
  failed = false;

  constructor(logs: Logs) {
    this.asked = new Promise((resolve) => {
      for (const signal of SIGNALS) {
        process.on(signal, () => {
          // One asks, the next one insists.
          if (this.reason !== undefined) this.now.abort();
          this.reason ??= signal;
          resolve();
        });
      }
      process.on('uncaughtException', (error) => {
        logs.log('error', 'an error that nobody caught', { err: error });
        this.failed = true;
        this.reason ??= 'an error that nobody caught';
        resolve();
      });
    });
  }
}
