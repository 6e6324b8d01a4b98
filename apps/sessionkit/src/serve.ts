import { App } from './app.js';
import { loadConfig } from './config-file.js';
import { type Logs, openLogs } from './log.js';
import { print, printError } from './print.js';
import { nothingListens, Reloader } from './reload.js';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** `sessionkit serve`: until a signal or a fault that nobody caught ends it. Answers the exit code. */
export async function serve(file: string | undefined): Promise<number> {
  const logs = openLogs();
  const config = await loadConfig(file, (text) => logs.log('warning', text));
  if (config === undefined) {
    await logs.close();
    return 1;
  }
  const nothing = nothingListens(config);
  if (nothing !== undefined) {
    print(nothing);
    return 1;
  }
  const end = new End(logs);
  let code = 1;
  let app: App | undefined;
  const reloader = new Reloader(config.file, logs, () => app);
  process.on('SIGHUP', () => void reloader.reload());
  try {
    app = await App.start(config, logs, { reload: () => reloader.reload() });
    await end.asked;
    logs.log('info', `stopping: ${end.reason}`);
    if ((await app.stop(end.now.signal)) && !end.failed) code = 0;
  } catch (error) {
    // What is wrong before it listens is for people to read.
    if (app === undefined) printError(error);
    else logs.log('error', 'it could not stop cleanly', { err: error });
  }
  await logs.close();
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
