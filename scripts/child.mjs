// Running a command to its end, with the signals that were meant for it.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Resolves to the exit code (128 + n when a signal ended it). A terminal sends Ctrl-C to the whole group, so that one
 * is not sent on: the command would see it twice. npm runs a script in a shell, and a shell that is told to stop dies
 * without telling us: then our parent is gone, and the command is told to stop.
 */
export function runChild(command, args, options = {}, onStart = () => {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', shell: process.platform === 'win32', ...options });
    onStart(child);
    const forward = (signal) => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    };
    const parent = process.ppid;
    const watch = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(watch);
      child.kill('SIGTERM');
    }, 200);
    for (const signal of SIGNALS) process.on(signal, forward);
    const done = () => {
      clearInterval(watch);
      for (const signal of SIGNALS) process.off(signal, forward);
    };
    child.on('error', (error) => {
      done();
      reject(error);
    });
    child.on('close', (code, signal) => {
      done();
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}
