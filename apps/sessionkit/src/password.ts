import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { SessionError } from '@sessionkit/session-core';
import { generatePassword } from './first-user.js';

/** Where the password of a user comes from: `--generate`, a prompt on a terminal, else the first line of stdin. */
export async function choosePassword(generate: boolean): Promise<{ password: string; generated: boolean }> {
  if (generate) return { password: generatePassword(), generated: true };
  const password = process.stdin.isTTY ? await promptTwice() : await readLine(', or say --generate');
  return { password, generated: false };
}

async function promptTwice(): Promise<string> {
  const password = await prompt('Password: ');
  if ((await prompt('Once more: ')) === password) return password;
  throw new SessionError('INVALID_VALUE', 'the two passwords differ; nothing was changed');
}

/** Asks on the terminal. What is typed is not shown. @throws SessionError `INVALID_VALUE`: nothing was typed. */
export function prompt(question: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  process.stderr.write(question);
  return new Promise((resolve, reject) => {
    lines.once('line', (line) => {
      resolve(line);
      lines.close();
    });
    // Ctrl-C, Ctrl-D; after a line it changes nothing.
    lines.once('close', () => {
      process.stderr.write('\n');
      reject(new SessionError('INVALID_VALUE', 'no password was given; nothing was changed'));
    });
  });
}

/** The first line of stdin. @param otherwise what else could be done @throws SessionError `INVALID_VALUE` */
export async function readLine(otherwise = ''): Promise<string> {
  const lines = createInterface({ input: process.stdin });
  try {
    for await (const line of lines) return line;
  } finally {
    lines.close();
  }
  throw new SessionError('INVALID_VALUE', `no password on stdin: give it as one line${otherwise}`);
}
