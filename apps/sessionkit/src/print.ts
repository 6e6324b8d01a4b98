import { SessionError } from '@sessionkit/session-core';

/** What is wrong, in words where they are ours, else with its place in the code. */
export function printError(error: unknown): void {
  const known = error instanceof SessionError;
  print(`error: ${known ? error.message : String((error as Error | undefined)?.stack ?? error)}`);
}

/** A line for people. */
export function print(text: string): void {
  process.stderr.write(`${text}\n`);
}
