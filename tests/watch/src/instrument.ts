import type { Plugin } from 'vitest/config';

const SOURCES = /[\\/](?:packages|apps)[\\/][^\\/]+[\\/]src[\\/][^?]*\.ts$/;
const LOGGING = /((?:[\w$#]+\??\.)*#?environment)\.log\(/g;
const MEMORY = /[\\/]backend-memory[\\/]src[\\/]backend\.ts$/;

/**
 * Lets the watch see each entry for the process log, also where a test has handed in a log that only keeps entries in memory:
 * `environment.log(…)` in the sources becomes `watchedLog(environment).log(…)`; and what the memory backend is given. Done as
 * coverage tools do it, while a module is loaded by vitest.
 */
export function watchLogs(): Plugin {
  return {
    name: 'sessionkit-watch-logs',
    enforce: 'pre',
    transform(code, id) {
      if (MEMORY.test(id))
        return { code: `${code}\nglobalThis.watchedStore?.(MemoryBackend.prototype);\n`, map: null };
      if (!SOURCES.test(id) || !code.includes('environment.log(')) return undefined;
      return { code: code.replace(LOGGING, 'globalThis.watchedLog($1).log('), map: null };
    },
  };
}
