import type { Millis } from '@sessionkit/session-core';
import type { Command } from './client.js';

/** A connection that is used for nothing else: WAIT blocks it. */
export interface Line {
  /** As that of a connection: error replies in their places, a lost connection rejects. */
  sendAll(commands: readonly Command[]): Promise<readonly unknown[]>;
  close(): void;
}

/** What was written is on the server, and it is not known whether on enough others. */
export class Unreplicated extends Error {
  override readonly name = 'Unreplicated';
}

interface Waiting {
  readonly commands: readonly Command[];
  readonly signal: AbortSignal | undefined;
  readonly resolve: (answers: readonly unknown[]) => void;
  readonly reject: (error: unknown) => void;
}

type Role = readonly ['master', offset: number, replicas: readonly unknown[]] | readonly [role: 'slave'];

/**
 * Writes to one server that are answered when all of its replicas have them, and at least one. What comes while others are waited for goes together, and is waited for
 * once.
 */
export class DurableLane {
  readonly #open: () => Promise<Line>;
  readonly #patience: Millis;
  #line: Line | undefined;
  #waiting: Waiting[] = [];
  #busy = false;
  #replicas = 1;

  /** @param patience how long replicas are waited for, in ms */
  constructor(open: () => Promise<Line>, patience: Millis) {
    this.#open = open;
    this.#patience = patience;
  }

  /** Answers in the order of the commands, error replies in their places. @throws Unreplicated */
  send(commands: readonly Command[], signal?: AbortSignal): Promise<readonly unknown[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ commands, signal, resolve, reject });
      if (!this.#busy) void this.#work();
    });
  }

  close(): void {
    this.#line?.close();
    this.#line = undefined;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      const wanted = batch.filter(({ signal, reject }) => {
        if (signal?.aborted) reject(new Error('the caller has stopped waiting'));
        return !signal?.aborted;
      });
      await this.#write(wanted).catch((error: unknown) => {
        this.close();
        for (const { reject } of wanted) reject(error);
      });
    }
    this.#busy = false;
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    if (batch.length === 0) return;
    this.#line ??= await this.#open();
    const commands = batch.flatMap((each) => each.commands);
    const answers = await this.#line.sendAll([...commands, ...this.#wait()]);
    const fault = await this.#unreplicated(this.#line, answers.at(-2), answers.at(-1));
    let from = 0;
    for (const { commands: own, resolve, reject } of batch) {
      if (fault === undefined) resolve(answers.slice(from, from + own.length));
      else reject(fault);
      from += own.length;
    }
  }

  #wait(): Command[] {
    return [['WAIT', `${this.#replicas}`, `${this.#patience}`], ['ROLE']];
  }

  /** Why it is not certain that enough replicas have it; undefined when it is. */
  async #unreplicated(line: Line, have: unknown, role: unknown): Promise<Error | undefined> {
    for (const reply of [have, role]) if (reply instanceof Error) return reply;
    const [kind, , replicas] = role as Role;
    if (kind !== 'master') return new Unreplicated('the server is no master any more');
    const asked = this.#replicas;
    this.#replicas = Math.max(1, replicas.length);
    if (Number(have) >= this.#replicas) return undefined;
    if (this.#replicas > asked && Number(have) >= asked) {
      // There are more of them than there were.
      const [again, now] = (await line.sendAll(this.#wait())) as [unknown, unknown];
      return this.#unreplicated(line, again, now);
    }
    const what = `${have} of ${this.#replicas} replicas have it after ${this.#patience} ms`;
    return new Unreplicated(replicas.length === 0 ? 'there is no replica that could have it' : what);
  }
}
