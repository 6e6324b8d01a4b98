import { createHash } from 'node:crypto';
import type { Command } from './client.js';

/** A Lua script: sent by its SHA-1, and whole where the server does not know it. */
export class Script {
  readonly text: string;
  readonly #sha: string;

  constructor(text: string) {
    this.text = text.replace(/^\s+/gm, '').trim();
    this.#sha = createHash('sha1').update(this.text).digest('hex');
  }

  command(keys: readonly string[], args: readonly string[]): ScriptCommand {
    return { script: this, command: ['EVALSHA', this.#sha, `${keys.length}`, ...keys, ...args] };
  }
}

export interface ScriptCommand {
  readonly script: Script;
  readonly command: Command;
}

/** The same call with the text in place of its hash. */
export function inFull({ script, command }: ScriptCommand): Command {
  return ['EVAL', script.text, ...command.slice(2)];
}

export function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

/** A literal of Lua, whatever the text. */
export function quoted(text: string): string {
  const bytes = [...Buffer.from(text)].map((byte) => `\\${`${byte}`.padStart(3, '0')}`);
  return `"${bytes.join('')}"`;
}
