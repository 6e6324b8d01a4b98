import {
  type Filter,
  type FilterSession,
  type FilterTarget,
  type LogLevel,
  observeAnswer,
  SessionError,
} from '@sessionkit/session-core';
import { Happenings } from './happenings.js';
import { LEVELS } from './levels.js';

export interface LogOptions {
  /** Level of the lines. Default `info`: the process log has them only of sessions whose `log_info` is on. */
  readonly level?: LogLevel | undefined;
}

/** Scheme and authority of a target in absolute form (RFC 9112 section 3.2.2), which may hold a user and a password. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i;

/**
 * Writes a line for each request of a session into the log of that session: method, path, status, bytes, milliseconds. Nothing of the query, of the host, of header
 * fields or of bodies is in it. And one for what happens to the session in this process: its begin and end, logins, new secrets, saves that lost.
 *
 * @throws SessionError `CONFIG_INVALID` for a level that is none.
 */
export function log({ level = 'info' }: LogOptions = {}): Filter {
  if (!LEVELS.includes(level)) {
    throw new SessionError('CONFIG_INVALID', `level must be one of ${LEVELS.join(', ')}, not ${level}`);
  }
  let lines = 0;
  const tell = (target: FilterTarget, line: string) => {
    lines += 1;
    target.log(level, line);
  };
  const happenings = new Happenings(tell);
  const open = (target: FilterTarget): FilterSession => ({
    close: happenings.follow(target),
    async handle({ request, response }, next) {
      const begun = performance.now();
      const path = pathOf(request.url ?? '');
      let status = 0;
      let bytes = 0;
      observeAnswer(response, {
        head: (given) => {
          status = given;
        },
        data: (chunk) => {
          bytes += chunk.length;
        },
        end: (complete) => {
          const said = complete ? '' : ', cut';
          const ms = Math.round(performance.now() - begun);
          tell(target, `${request.method} ${path} ${status || '-'}, ${bytes} bytes, ${ms} ms${said}`);
        },
      });
      await next();
    },
  });
  return { type: 'log', open, diagnostics: () => ({ lines }) };
}

function pathOf(target: string): string {
  const [path = ''] = target.replace(ORIGIN, '').split(/[?#]/, 1);
  return path || '/';
}
