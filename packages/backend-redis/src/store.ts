import { type Millis, SessionError, type SessionId } from '@sessionkit/session-core';
import type { Command, Connection } from './client.js';
import type { ReadMembers } from './codec.js';
import { faultOf, lateAt } from './faults.js';
import { Keys } from './keys.js';
import type { CheckedOptions } from './options.js';
import { inFull, isUnknownScript, type ScriptCommand } from './script.js';
import { makeScripts, type Scripts } from './scripts.js';

/** What the parts of a backend share: the connection, its faults, the store's clock, keys and scripts. */
export class RedisStore {
  readonly options: CheckedOptions;
  readonly keys: Keys;
  readonly scripts: Scripts;
  readonly connection: Connection;
  readonly #headMembers: Command;
  readonly #members: Command;
  #clock: { readonly offset: Millis } | undefined;
  #closed = false;

  constructor(connection: Connection, options: CheckedOptions) {
    this.connection = connection;
    this.options = options;
    this.keys = new Keys(options.prefix);
    this.scripts = makeScripts(options.names, this.keys);
    const { head, seen, kill, ended, data } = options.names;
    this.#headMembers = [head, seen, kill, ended];
    this.#members = [...this.#headMembers, data];
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
  }

  /** @throws SessionError `BACKEND_CLOSED`, or `BACKEND_FAILED` for a caller that has stopped waiting. */
  check(signal?: AbortSignal): void {
    if (this.#closed) throw new SessionError('BACKEND_CLOSED', 'this Redis backend has been closed');
    if (signal?.aborted)
      throw new SessionError('BACKEND_FAILED', 'the caller has stopped waiting', { retryable: true });
  }

  /** One command, or script, in one round trip. */
  async send(what: string, command: Command | ScriptCommand, signal?: AbortSignal): Promise<unknown> {
    this.check(signal);
    try {
      if (!('script' in command)) return await this.connection.send(command);
      try {
        return await this.connection.send(command.command);
      } catch (error) {
        if (!isUnknownScript(error)) throw error;
        await this.teach(signal);
        return await this.connection.send(inFull(command));
      }
    } catch (error) {
      throw this.#fault(error, what);
    }
  }

  /** Several in one round trip; error replies stay in their places. */
  async sendEach(
    what: string,
    commands: readonly (Command | ScriptCommand)[],
    signal?: AbortSignal,
  ): Promise<unknown[]> {
    this.check(signal);
    if (commands.length === 0) return [];
    try {
      const answers = [
        ...(await this.connection.sendAll(commands.map((each) => ('script' in each ? each.command : each)))),
      ];
      const again = answers.flatMap((answer, at) => (isUnknownScript(answer) ? [at] : []));
      if (again.length === 0) return answers;
      await this.teach(signal);
      const found = await this.connection.sendAll(again.map((at) => inFull(commands[at] as ScriptCommand)));
      for (const [n, at] of again.entries()) answers[at] = found[n];
      return answers;
    } catch (error) {
      throw this.#fault(error, what);
    }
  }

  /** Several in one round trip; the first error reply is thrown. */
  async sendAll(
    what: string,
    commands: readonly (Command | ScriptCommand)[],
    signal?: AbortSignal,
  ): Promise<unknown[]> {
    const answers = await this.sendEach(what, commands, signal);
    for (const answer of answers) if (answer instanceof Error) throw this.#fault(answer, what);
    return answers;
  }

  /** The read members of these sessions, with or without their data, in one round trip; a fault in the place of what is no hash. */
  async members(
    ids: readonly SessionId[],
    data: boolean,
    signal: AbortSignal,
  ): Promise<(ReadMembers | SessionError)[]> {
    const keys = ids.map((id) => this.keys.record(id));
    if (ids.length > 1) {
      const script = this.scripts.load.command(keys, [data ? '1' : '0']);
      const found = (await this.send('load', script, signal)) as (ReadMembers | string)[];
      return found.map((members) => (typeof members === 'string' ? noHash(members) : members));
    }
    try {
      const [key] = keys;
      if (key === undefined) return [];
      const command = ['HMGET', key, ...(data ? this.#members : this.#headMembers)];
      return [(await this.send('load', command, signal)) as ReadMembers];
    } catch (error) {
      if (error instanceof SessionError && error.code === 'RECORD_CORRUPT') return [error];
      throw error;
    }
  }

  /**
   * Gives the store all scripts, those of the indexes first: a store that has forgotten them in a restart must not know how to write a session, but not its index entries, which
   * would then come behind it. Where it may not take them so, each call brings its own.
   */
  async teach(signal?: AbortSignal): Promise<void> {
    const commands = Object.values(this.scripts).map(({ text }) => ['SCRIPT', 'LOAD', text]);
    await this.sendEach('start', commands, signal);
  }

  /** Asks the store for its time. */
  async now(signal?: AbortSignal): Promise<Millis> {
    const [seconds, micros] = (await this.send('now', ['TIME'], signal)) as [string, string];
    const now = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
    this.#set(now);
    return now;
  }

  /** The store's time by the last answer it gave. */
  async time(signal?: AbortSignal): Promise<Millis> {
    return this.#clock === undefined ? this.now(signal) : performance.now() + this.#clock.offset;
  }

  /** Until when a write that leaves now may arrive, by the store's clock: the first argument of its script. */
  async latest(signal: AbortSignal): Promise<string> {
    const now = this.#clock === undefined ? await this.now(signal) : performance.now() + this.#clock.offset;
    return `${Math.ceil(now) + this.options.writeWithin}`;
  }

  /** Notes what could not be finished after the answer was certain. */
  left(what: string, error: unknown): void {
    this.options.log({ level: 'warning', message: `redis: ${what} could not be brought up to date`, error });
  }

  #set(now: Millis): void {
    this.#clock = { offset: now - performance.now() };
  }

  #fault(error: unknown, what: string): SessionError {
    const now = lateAt(error);
    if (now !== undefined) this.#set(now);
    return faultOf(error, what);
  }
}

function noHash(reply: string): SessionError {
  return new SessionError('RECORD_CORRUPT', `load: a key of this prefix holds something else (${reply})`);
}
