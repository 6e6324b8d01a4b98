// Programs that a test starts: what they print is noticed here, and those on Node.js watch themselves.
import childProcess from 'node:child_process';
import { basename } from 'node:path';
import { captureFolder, openStream } from './sink.mjs';

const preload = `--import=${new URL('preload.mjs', import.meta.url).href}`;

const withPreload = (options = '') => (options.includes(preload) ? options : `${options} ${preload}`.trim());

export function watchChildren(notePassword) {
  process.env.NODE_OPTIONS = withPreload(process.env.NODE_OPTIONS);

  const { spawn } = childProcess.ChildProcess.prototype;
  childProcess.ChildProcess.prototype.spawn = function (options) {
    const pairs = new Map((options.envPairs ?? []).map((pair) => splitPair(pair)));
    notePassword(pairs.get('SESSIONKIT_ADMIN_PASSWORD') ?? '');
    // A test may give a program an environment of its own.
    pairs.set('NODE_OPTIONS', withPreload(pairs.get('NODE_OPTIONS')));
    if (captureFolder(pairs.get('SESSIONKIT_REPORT_DIR')) === undefined)
      pairs.set('SESSIONKIT_REPORT_DIR', process.env.SESSIONKIT_REPORT_DIR);
    const result = Reflect.apply(spawn, this, [
      { ...options, envPairs: [...pairs].map(([name, value]) => `${name}=${value}`) },
    ]);
    const who = (options.args ?? [options.file]).slice(0, 3).map((arg) => basename(String(arg)));
    for (const pipe of [this.stdout, this.stderr]) if (pipe) watchPipe(pipe, who.join(' '));
    return result;
  };

  for (const name of ['spawnSync', 'execFileSync', 'execSync']) {
    const original = childProcess[name];
    childProcess[name] = (...args) => {
      const result = original(...args);
      const printed = name === 'spawnSync' ? [result.stdout, result.stderr] : [result];
      for (const text of printed) if (text?.length) openStream('output', basename(String(args[0])))(text);
      return result;
    };
  }
}

/** Sees every chunk before the reader does, without making the pipe flow. */
function watchPipe(pipe, who) {
  const take = openStream('output', who);
  const { push } = pipe;
  pipe.push = function (chunk, encoding) {
    if (chunk?.length) take(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk);
    return Reflect.apply(push, this, [chunk, encoding]);
  };
}

function splitPair(pair) {
  const equals = pair.indexOf('=', 1);
  return [pair.slice(0, equals), pair.slice(equals + 1)];
}
