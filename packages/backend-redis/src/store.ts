import { type Millis, SessionError, type SessionId } from '@sessionkit/session-core';
import slotOf from 'cluster-key-slot';
import type { Command, Connection } from './client.js';
import type { ReadMembers } from './codec.js';
import { Doubts } from './doubts.js';
import type { DurableWriter } from './durable.js';
import { faultOf, lateAt } from './faults.js';
import { Keys } from './keys.js';
import type { CheckedOptions } from './options.js';
import { inFull, isUnknownScript, type ScriptCommand } from './script.js';
import { makeScripts, type Scripts } from './scripts.js';

/** Which members of a session are read: all; all but the data; or those, and of one that has ended it may be nothing but that it has. */
export type Wanted = 'all' | 'head' | 'open';

/** What the parts of a backend share: the connection, its faults, the store's clock, keys and scripts. */
export class RedisStore {
  readonly options: CheckedOptions;
  readonly keys: Keys;
  readonly scripts: Scripts;
  readonly connection: Connection;
  readonly doubts = new Doubts();
  readonly #headMembers: Command;
  readonly #members: Command;
  /** Where writes wait for the replicas. */
  readonly #writer: DurableWriter | undefined;
  #clock: { readonly offset: Millis } | undefined;
  #closed = false;

  constructor(connection: Connection, options: CheckedOptions) {
    this.connection = connection;
    this.options = options;
    this.keys = new Keys(options.prefix);
    this.scripts = makeScripts(options.names, this.keys, options.durable);
    const { head, seen, kill, ended, data } = options.names;
    this.#headMembers = [head, seen, kill, ended];
    this.#members = [...this.#headMembers, data];
    if (options.durable)
      this.#writer = connection.durably({
        // The other half of the time is for the way.
        patience: options.writeWithin / 2,
        onAlone: () =>
          options.log({
            level: 'warning',
            message:
              'redis: durable is true, but the master has no replica: what is acknowledged now is on one server only',
          }),
      });
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
    this.connection.close();
    this.#writer?.close();
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
        if (!this.connection.spread) await this.teach(signal);
        this.check(signal);
        return await this.connection.send(inFull(command));
      }
    } catch (error) {
      throw this.#fault(error, what);
    }
  }

  /** Several in one round trip; faults stay in their places. It rejects only when nothing was sent. */
  async sendEach(
    what: string,
    commands: readonly (Command | ScriptCommand)[],
    signal?: AbortSignal,
    durable = false,
  ): Promise<unknown[]> {
    this.check(signal);
    if (commands.length === 0) return [];
    const answers = await this.#sent(commands, durable, signal);
    const again = answers.flatMap((answer, at) => (isUnknownScript(answer) ? [at] : []));
    if (again.length > 0) {
      if (!this.connection.spread) await this.teach(signal);
      this.check(signal);
      const found = await this.#sent(
        again.map((at) => inFull(commands[at] as ScriptCommand)),
        durable,
        signal,
      );
      for (const [n, at] of again.entries()) answers[at] = found[n];
    }
    return answers.map((answer) => (answer instanceof Error ? this.#fault(answer, what) : answer));
  }

  /** Several in one round trip; the first fault is thrown. */
  async sendAll(
    what: string,
    commands: readonly (Command | ScriptCommand)[],
    signal?: AbortSignal,
    durable = false,
  ): Promise<unknown[]> {
    const answers = await this.sendEach(what, commands, signal, durable);
    for (const answer of answers) if (answer instanceof SessionError) throw answer;
    return answers;
  }

  /**
   * First these, then those, whose answers it answers, faults in their places: in one round trip where one server has all keys, in two where it takes an answer to know that the
   * first came first. A fault of the first is thrown. `durable`: answered when the replicas have it.
   */
  async inTurn(
    what: string,
    first: readonly (Command | ScriptCommand)[],
    then: readonly (Command | ScriptCommand)[],
    signal?: AbortSignal,
    durable = false,
  ): Promise<unknown[]> {
    if (this.connection.spread) {
      await this.sendAll(what, first, signal, durable);
      return this.sendEach(what, then, signal, durable);
    }
    const answers = await this.sendEach(what, [...first, ...then], signal, durable);
    const fault = answers.slice(0, first.length).find((answer) => answer instanceof SessionError);
    if (fault !== undefined) throw fault;
    return answers.slice(first.length);
  }

  /** What one script may have the keys of: all of it, or in a Cluster what is in one slot. */
  bySlot<T>(items: readonly T[], idOf: (item: T) => SessionId): readonly (readonly T[])[] {
    if (!this.connection.spread) return items.length === 0 ? [] : [items];
    const slots = new Map<number, T[]>();
    for (const item of items) {
      const slot = slotOf(this.keys.record(idOf(item)));
      const others = slots.get(slot);
      if (others === undefined) slots.set(slot, [item]);
      else others.push(item);
    }
    return [...slots.values()];
  }

  /** The read members of these sessions in one round trip; a fault in the place of what is no hash. */
  async members(
    ids: readonly SessionId[],
    wanted: Wanted,
    signal: AbortSignal,
  ): Promise<(ReadMembers | SessionError)[]> {
    const found = await this.reachable(ids, wanted, signal);
    for (const each of found) if (each instanceof SessionError && each.code !== 'RECORD_CORRUPT') throw each;
    return found;
  }

  /** As {@link members}, with a fault in the place of each whose server could not be asked; thrown when it is all of them. */
  async reachable(
    ids: readonly SessionId[],
    wanted: Wanted,
    signal: AbortSignal,
  ): Promise<(ReadMembers | SessionError)[]> {
    const groups = this.bySlot([...ids.keys()], (at) => ids[at] as SessionId);
    const commands = groups.map((places) => {
      const keys = places.map((at) => this.keys.record(ids[at] as SessionId));
      const [key = ''] = keys;
      if (keys.length > 1) return this.scripts.load.command(keys, [wanted]);
      return ['HMGET', key, ...(wanted === 'all' ? this.#members : this.#headMembers)];
    });
    const answers = await this.sendEach('load', commands, signal);
    const found: (ReadMembers | SessionError)[] = [];
    for (const [n, places] of (groups as number[][]).entries()) {
      const answer = answers[n] as ReadMembers | (ReadMembers | string)[] | SessionError;
      for (const [m, at] of places.entries()) {
        const members = answer instanceof SessionError || places.length === 1 ? answer : answer[m];
        const other =
          typeof members === 'string' ||
          (members instanceof SessionError && members.code === 'RECORD_CORRUPT');
        found[at] = other ? noHash(ids[at] as SessionId) : (members as ReadMembers | SessionError);
      }
    }
    throwIfNone(found);
    return found;
  }

  /**
   * Gives the store all scripts, those of the indexes first: a store that has forgotten them in a restart must not know how to write a session, but not its index entries, which
   * would then come behind it. Where it may not take them so, each call brings its own.
   */
  async teach(signal?: AbortSignal): Promise<void> {
    this.check(signal);
    const commands = Object.values(this.scripts).map(({ text }) => ['SCRIPT', 'LOAD', text]);
    try {
      await this.connection.sendToAll(commands);
    } catch (error) {
      throw this.#fault(error, 'start');
    }
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

  /** Answers and errors in their places; one command needs no pipeline. */
  async #sent(
    commands: readonly (Command | ScriptCommand)[],
    durable: boolean,
    signal: AbortSignal | undefined,
  ): Promise<unknown[]> {
    const plain = commands.map((each) => ('script' in each ? each.command : each));
    const [only] = plain;
    try {
      if (durable && this.#writer !== undefined) return [...(await this.#writer.send(plain, signal))];
      if (only !== undefined && plain.length === 1) return [await this.connection.send(only)];
      return [...(await this.connection.sendAll(plain))];
    } catch (error) {
      return plain.map(() => (error instanceof Error ? error : new Error(String(error))));
    }
  }

  #set(now: Millis): void {
    this.#clock = { offset: now - performance.now() };
  }

  #fault(error: unknown, what: string): SessionError {
    const now = lateAt(error);
    if (now !== undefined) this.#set(now);
    return faultOf(error, what, this.connection.outage);
  }
}

/** A part of a store may be down; when all of it is, nothing is known. */
export function throwIfNone(answers: readonly unknown[]): void {
  const [first] = answers;
  const isFault = (answer: unknown) => answer instanceof SessionError && answer.code !== 'RECORD_CORRUPT';
  if (isFault(first) && answers.every(isFault)) throw first;
}

function noHash(id: SessionId): SessionError {
  return new SessionError(
    'RECORD_CORRUPT',
    `the session ${id} in Redis cannot be understood: its key holds something else`,
  );
}
