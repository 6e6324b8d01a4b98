import type { Plugin } from 'vitest/config';

const SOURCES = /[\\/](?:packages|apps)[\\/][^\\/]+[\\/]src[\\/][^?]*\.ts$/;
const LOGGING = /((?:[\w$#]+\??\.)*#?environment)\.log\(/g;

/**
 * Lets the watch see each entry for the process log, also where a test has handed in a log that only keeps entries in memory:
 * `environment.log(…)` in the sources becomes `watchedLog(environment).log(…)`. Done as coverage tools do it, while a module is
 * loaded by vitest.
 */
export function watchLogs(): Plugin {
  return {
    name: 'sessionkit-watch-logs',
    enforce: 'pre',
    transform(code, id) {
      if (!SOURCES.test(id) || !code.includes('environment.log(')) return undefined;
      return { code: code.replace(LOGGING, 'globalThis.watchedLog($1).log('), map: null };
    },
  };
}
