import type { Millis } from '@sessionkit/session-core';
import type { Command } from './client.js';

/**
 * How long a replica that was there is missed, in ms: for so long nothing is acknowledged without it. By their default settings neither Sentinel nor a Cluster makes a
 * replica the master that has been away for longer.
 */
const MISSED_FOR: Millis = 300_000;

/** A connection that is used for nothing else: WAIT blocks it. */
export interface Line {
  /** It has been lost, and does not come back by itself. */
  readonly lost?: boolean;
  /** As that of a connection: error replies in their places, a lost connection rejects. */
  sendAll(commands: readonly Command[]): Promise<readonly unknown[]>;
  close(): void;
}

/** What was written is on the server, and it is not certain that its replicas have it. */
export class Unreplicated extends Error {
  override readonly name = 'Unreplicated';
}

export interface DurableTerms {
  /** How long replicas are waited for, in ms. */
  readonly patience: Millis;
  /** A master without any replica has been met: what it acknowledges is on one server. */
  readonly onAlone: () => void;
}

/** Writes that are answered when the replicas have them. */
export interface DurableWriter {
  /** Answers in the order of the commands, error replies in their places. @throws Unreplicated */
  send(commands: readonly Command[], signal?: AbortSignal): Promise<readonly unknown[]>;
  close(): void;
}

interface Waiting {
  readonly commands: readonly Command[];
  readonly signal: AbortSignal | undefined;
  readonly resolve: (answers: readonly unknown[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writes to one server that are answered when all of its replicas have them. What comes while others are waited for goes together, and is waited for once. A master that
 * is met for the first time, after a fail-over say, has the replicas that it has then; one of them that is lost later is missed.
 */
export class DurableLane implements DurableWriter {
  readonly #open: () => Promise<Line>;
  readonly #terms: DurableTerms;
  #line: Line | undefined;
  #waiting: Waiting[] = [];
  #busy = false;
  #closed = false;
  /** Names the history that the master writes: a replica that becomes one begins another. */
  #history: string | undefined;
  #replicas = 0;
  #missedSince: Millis | undefined;

  constructor(open: () => Promise<Line>, terms: DurableTerms) {
    this.#open = open;
    this.#terms = terms;
  }

  send(commands: readonly Command[], signal?: AbortSignal): Promise<readonly unknown[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ commands, signal, resolve, reject });
      if (!this.#busy) void this.#work();
    });
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  #drop(): void {
    this.#line?.close();
    this.#line = undefined;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#write(batch);
      } catch (error) {
        this.#drop();
        for (const { reject } of batch) reject(error);
      }
    }
    this.#busy = false;
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    if (this.#line?.lost) this.#drop();
    const line = this.#line ?? (await this.#opened());
    const wanted = batch.filter(({ signal, reject }) => {
      if (signal?.aborted) reject(new Error('the caller has stopped waiting'));
      return !signal?.aborted;
    });
    if (wanted.length === 0) return;
    const asked = this.#replicas;
    const answers = await line.sendAll([
      ...wanted.flatMap(({ commands }) => commands),
      ...this.#waitFor(asked),
    ]);
    const fault = await this.#unreplicated(line, asked, answers.slice(-2));
    let from = 0;
    for (const { commands, resolve, reject } of wanted) {
      if (fault === undefined) resolve(answers.slice(from, from + commands.length));
      else reject(fault);
      from += commands.length;
    }
  }

  async #opened(): Promise<Line> {
    const line = await this.#open();
    if (this.#closed) {
      line.close();
      throw new Error('the connection has been closed');
    }
    this.#line = line;
    const [info] = await line.sendAll([['INFO', 'replication']]);
    if (info instanceof Error) throw info;
    const [, history] = /^master_replid:(\w+)/m.exec(String(info)) ?? [];
    if (history === this.#history) return line;
    this.#history = history;
    this.#replicas = [...String(info).matchAll(/^slave\d+:.*\bstate=online\b/gm)].length;
    this.#missedSince = undefined;
    if (this.#replicas === 0) this.#terms.onAlone();
    return line;
  }

  #waitFor(replicas: number): Command[] {
    return [['WAIT', `${replicas}`, `${Math.ceil(this.#terms.patience)}`], ['ROLE']];
  }

  /** Why it is not certain that the replicas have it; undefined when it is. */
  async #unreplicated(line: Line, asked: number, answers: readonly unknown[]): Promise<Error | undefined> {
    for (const answer of answers) if (answer instanceof Error) return answer;
    const have = Number(answers[0]);
    const [kind, , replicas] = answers[1] as readonly [string, number, readonly unknown[]];
    if (kind !== 'master') return new Unreplicated('the server is no master any more');
    this.#count(replicas.length);
    if (have >= this.#replicas) return undefined;
    // There are more of them than were asked.
    if (have >= asked && this.#replicas > asked)
      return this.#unreplicated(line, this.#replicas, await line.sendAll(this.#waitFor(this.#replicas)));
    return new Unreplicated(
      `${have} of ${this.#replicas} replicas have it after ${Math.ceil(this.#terms.patience)} ms`,
    );
  }

  #count(there: number): void {
    const now = performance.now();
    if (there < this.#replicas) {
      this.#missedSince ??= now;
      if (now - this.#missedSince < MISSED_FOR) return;
    }
    this.#replicas = there;
    this.#missedSince = undefined;
  }
}
