import type { Socket } from 'node:net';
import type { SessionError } from '@sessionkit/session-core';
import { onAbort } from './aborts.js';
import type { MemcacheClient, Place } from './client.js';
import { faultOf, gaveUp, type Refusal, refusalOf } from './faults.js';

/** A value as it was found, and what tells whether it has changed since. */
export interface Found {
  /** Undefined for what the client cannot read: it is not ours. */
  readonly value: string | undefined;
  readonly cas: string;
}

/** What the client makes of an answer to `gets`. */
type Values = Readonly<Record<string, { readonly value: unknown; readonly casUniq?: string | number }>>;

/** What became of a command: its answer, why it was not stored or found, or a fault. */
type Outcome =
  | { readonly answer: unknown }
  | { readonly refusal: Refusal }
  | { readonly fault: SessionError; readonly unreadable: boolean };

/** Told where nothing has been sent: the connection had been given up. */
class Stale extends Error {}
/** Stores; `cas` wants what `gets` has answered. */
export function storing(
  command: 'set' | 'add' | 'cas',
  key: string,
  value: string,
  ttl: number,
  cas?: string,
): string {
  const bytes = Buffer.byteLength(value);
  return `${command} ${key} 0 ${ttl} ${bytes}${cas === undefined ? '' : ` ${cas}`}\r\n${value}\r\n`;
}

/** Stores over what was found, if it is that still. What the client could not read has nothing to be compared by. */
export function storingOver(before: Found | undefined, key: string, value: string, ttl: number): string {
  if (before === undefined) return storing('add', key, value, ttl);
  return before.value === undefined
    ? storing('set', key, value, ttl)
    : storing('cas', key, value, ttl, before.cas);
}

/** Moves the time at which a key goes by itself. */
export function touching(key: string, ttl: number): string {
  return `touch ${key} ${ttl}\r\n`;
}

/**
 * One server. What is asked at a time goes over a connection that nothing else is under way on: it never stands behind a command that is not answered. A caller that gives up
 * takes its connection with it, so that no late answer is taken for that of another command.
 */
export class Server {
  readonly place: Place;
  /** Those that nothing is under way on, as often as they have connections. */
  readonly #idle: MemcacheClient[];
  readonly #waiting: ((client: MemcacheClient) => void)[] = [];
  /** Connections, and when all that was asked on them had been answered, by the steady clock; undefined while something is under way. */
  readonly #sockets = new Map<Socket, number | undefined>();

  /** @param clients of this server. */
  constructor(place: Place, clients: readonly (readonly [MemcacheClient, Place])[]) {
    this.place = place;
    this.#idle = clients.flatMap(([client, { connections }]) =>
      Array.from({ length: connections }, () => client),
    );
  }

  get name(): string {
    return this.place.name;
  }

  /** The values of these keys, and nothing where there is none; in one round trip. */
  async gets(keys: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, Found>> {
    if (keys.length === 0) return new Map();
    const [outcome] = await this.#all([`gets ${keys.join(' ')}\r\n`], signal);
    if (!isUnreadable(outcome)) return foundIn(answerOf(outcome));
    // One of them is somebody else's: it must not fail the others.
    const outcomes = await this.#all(
      keys.map((key) => `gets ${key}\r\n`),
      signal,
    );
    const found = new Map<string, Found>();
    for (const [at, one] of outcomes.entries()) {
      if (isUnreadable(one)) found.set(keys[at] ?? '', { value: undefined, cas: '' });
      else for (const [key, value] of foundIn(answerOf(one))) found.set(key, value);
    }
    return found;
  }

  /** Commands that store, in one round trip. Answers why not, in the place of each that the server refused; throws where the outcome of one is not known. */
  async change(commands: readonly string[], signal: AbortSignal): Promise<(Refusal | undefined)[]> {
    const outcomes = await this.#all(commands, signal);
    return outcomes.map((outcome) => {
      if ('fault' in outcome) throw outcome.fault;
      return 'refusal' in outcome ? outcome.refusal : undefined;
    });
  }

  /** Members of an answer to `stats`. */
  async stats(what: string, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    const [outcome] = await this.#all([`stats${what}\r\n`], signal);
    const { STAT = [] } = answerOf(outcome) as { readonly STAT?: readonly string[][] };
    return Object.fromEntries(STAT.map(([name = '', ...value]) => [name, value.join(' ')]));
  }

  async #all(commands: readonly string[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    let left = [...commands.keys()];
    while (left.length > 0) {
      if (signal.aborted) throw gaveUp();
      const client = this.#idle.pop() ?? (await this.#turn(signal));
      left = await this.#sent(client, commands, left, outcomes, signal);
      // The end of a connection is told in the next turn of the event loop.
      if (left.length > 0) await new Promise((resolve) => setImmediate(resolve));
    }
    return outcomes;
  }

  /** Waits for a connection. */
  #turn(signal: AbortSignal): Promise<MemcacheClient> {
    return new Promise((resolve, reject) => {
      const take = (client: MemcacheClient) => {
        stay();
        resolve(client);
      };
      const stay = onAbort(signal, () => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1);
        reject(gaveUp());
      });
      this.#waiting.push(take);
    });
  }

  #release(client: MemcacheClient): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(client);
    else next(client);
  }

  /** Notes the outcomes of those that were sent; answers those that were not. */
  #sent(
    client: MemcacheClient,
    commands: readonly string[],
    places: readonly number[],
    outcomes: Outcome[],
    signal: AbortSignal,
  ): Promise<number[]> {
    return new Promise((resolve, reject) => {
      const begun = performance.now();
      const sockets = new Set<Socket>();
      const unsent: number[] = [];
      let open = places.length;
      const stay = onAbort(signal, () => {
        for (const socket of sockets) socket.destroy();
        if (sockets.size > 0) this.#distrust(begun);
        reject(gaveUp());
      });
      const settled = () => {
        open -= 1;
        if (open > 0) return;
        stay();
        for (const socket of sockets) if (!socket.destroyed) this.#sockets.set(socket, performance.now());
        // Only now: until all have settled the client counts the connection as taken.
        this.#release(client);
        resolve(unsent);
      };
      for (const place of places) {
        let socket: Socket | undefined;
        const write = (connection?: Socket) => {
          if (signal.aborted) throw gaveUp();
          if (connection === undefined || connection.destroyed) throw new Stale();
          socket = connection;
          sockets.add(connection);
          this.#use(connection);
          connection.write(commands[place] ?? '');
        };
        promised(() => client.send(write))
          .then(
            (answer) => {
              outcomes[place] = { answer };
            },
            (error: unknown) => {
              if (error instanceof Stale) unsent.push(place);
              else outcomes[place] = this.#outcomeOf(error, socket);
            },
          )
          .then(settled);
      }
    });
  }

  #use(socket: Socket): void {
    if (!this.#sockets.has(socket))
      for (const other of this.#sockets.keys()) if (other.destroyed) this.#sockets.delete(other);
    this.#sockets.set(socket, undefined);
  }

  /** Where one connection is silent, those that have answered nothing since go with it. */
  #distrust(since: number): void {
    for (const [socket, answered] of this.#sockets)
      if (answered !== undefined && answered < since) socket.destroy();
  }

  #outcomeOf(error: unknown, socket: Socket | undefined): Outcome {
    const refusal = refusalOf(error);
    if (refusal !== undefined) return { refusal };
    const fault = faultOf(error, this.name);
    // The connection has survived an answer that the client could not read: the value is not ours.
    const unreadable = socket !== undefined && !socket.destroyed && fault.code === 'BACKEND_DOWN';
    return { fault, unreadable };
  }
}

/** A client throws for some things before it promises anything. */
async function promised(send: () => Promise<unknown>): Promise<unknown> {
  return send();
}

function isUnreadable(outcome: Outcome | undefined): boolean {
  return outcome !== undefined && 'fault' in outcome && outcome.unreadable;
}

function answerOf(outcome: Outcome | undefined): object {
  if (outcome !== undefined && 'fault' in outcome) throw outcome.fault;
  return outcome !== undefined && 'answer' in outcome ? (outcome.answer as object) : {};
}

function foundIn(answer: object): Map<string, Found> {
  return new Map(
    Object.entries(answer as Values).map(([key, { value, casUniq }]) => [
      key,
      { value: typeof value === 'string' ? value : undefined, cas: `${casUniq ?? ''}` },
    ]),
  );
}
