import type { Socket } from 'node:net';
import { SessionError } from '@sessionkit/session-core';
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

/** Thrown where nothing has been sent: the connection had been given up. */
class Stale extends Error {}
/** Thrown where an answer came that the client could not read. */
class Unreadable extends Error {}

/**
 * One server, through a client of its own. On each connection one command is under way at a time: what is asked finds a connection that answers, and never stands
 * behind a command that does not. A caller that gives up takes the connection with it, so that no late answer is taken for that of another command.
 */
export class Server {
  readonly place: Place;
  readonly #client: MemcacheClient;
  /** Connections that may be given a command. */
  #free: number;
  readonly #waiting: (() => void)[] = [];
  /** Connections that have answered: when, by the steady clock; undefined while a command is under way. */
  readonly #sockets = new Map<Socket, number | undefined>();

  constructor(client: MemcacheClient, place: Place) {
    this.#client = client;
    this.place = place;
    this.#free = place.connections;
  }

  get name(): string {
    return this.place.name;
  }

  /** The values of these keys, and nothing where there is none; in one round trip. */
  async gets(keys: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, Found>> {
    try {
      return foundIn((await this.ask(`gets ${keys.join(' ')}\r\n`, signal)) as Values);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
    }
    // One of them is somebody else's: it must not fail the others.
    const single = keys.map(async (key): Promise<readonly (readonly [string, Found])[]> => {
      try {
        return [...foundIn((await this.ask(`gets ${key}\r\n`, signal)) as Values)];
      } catch (error) {
        if (error instanceof Unreadable) return [[key, { value: undefined, cas: '' }]];
        throw error;
      }
    });
    return new Map((await Promise.all(single)).flat());
  }

  /** Stores; answers why not, where the server has not. `cas` wants what `gets` has answered. */
  async store(
    command: 'set' | 'add' | 'cas',
    key: string,
    value: string,
    ttl: number,
    signal: AbortSignal,
    cas?: string,
  ): Promise<Refusal | undefined> {
    const bytes = Buffer.byteLength(value);
    const line = `${command} ${key} 0 ${ttl} ${bytes}${cas === undefined ? '' : ` ${cas}`}\r\n`;
    return this.#decided(`${line}${value}\r\n`, signal);
  }

  /** Moves the time at which a key goes by itself. */
  touch(key: string, ttl: number, signal: AbortSignal): Promise<Refusal | undefined> {
    return this.#decided(`touch ${key} ${ttl}\r\n`, signal);
  }

  delete(key: string, signal: AbortSignal): Promise<Refusal | undefined> {
    return this.#decided(`delete ${key}\r\n`, signal);
  }

  /** Members of an answer to `stats`. */
  async stats(what: string, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    const { STAT = [] } = (await this.ask(`stats${what}\r\n`, signal)) as {
      readonly STAT?: readonly string[][];
    };
    return Object.fromEntries(STAT.map(([name = '', ...value]) => [name, value.join(' ')]));
  }

  /** One command; rejects with a fault, or what the server said instead of storing or finding. */
  async ask(command: string, signal: AbortSignal): Promise<unknown> {
    for (;;) {
      if (signal.aborted) throw gaveUp();
      await this.#turn(signal);
      try {
        return await this.#sent(command, signal);
      } catch (error) {
        if (!(error instanceof Stale)) throw error;
      }
      // Its end is told in the next turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #decided(command: string, signal: AbortSignal): Promise<Refusal | undefined> {
    try {
      await this.ask(command, signal);
      return undefined;
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === undefined) throw error;
      return refusal;
    }
  }

  /** Waits for a connection that is free. */
  #turn(signal: AbortSignal): Promise<void> | undefined {
    if (this.#free > 0) {
      this.#free -= 1;
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const take = () => {
        stay();
        resolve();
      };
      const stay = onAbort(signal, () => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1);
        reject(gaveUp());
      });
      this.#waiting.push(take);
    });
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }

  #sent(command: string, signal: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      let socket: Socket | undefined;
      let sentAt = 0;
      const write = (open?: Socket) => {
        if (signal.aborted) throw gaveUp();
        if (open === undefined || open.destroyed) throw new Stale();
        socket = open;
        sentAt = performance.now();
        this.#use(open);
        open.write(command);
      };
      const stay = onAbort(signal, () => {
        if (socket !== undefined) this.#distrust(socket, sentAt);
        reject(gaveUp());
      });
      const settled = () => {
        stay();
        if (socket !== undefined && !socket.destroyed) this.#sockets.set(socket, performance.now());
        // Only now: until it has settled the client counts the connection as taken.
        this.#release();
      };
      begun(() => this.#client.send(write)).then(
        (answer) => {
          settled();
          resolve(answer);
        },
        (error: unknown) => {
          settled();
          reject(error instanceof Stale ? error : this.#faultOf(error, socket));
        },
      );
    });
  }

  #use(socket: Socket): void {
    if (!this.#sockets.has(socket)) socket.once('close', () => this.#sockets.delete(socket));
    this.#sockets.set(socket, undefined);
  }

  /** Ends the connection on which nothing was answered, and those that have answered nothing since: they go the same way. */
  #distrust(silent: Socket, since: number): void {
    silent.destroy();
    for (const [socket, answered] of this.#sockets)
      if (answered !== undefined && answered < since) socket.destroy();
  }

  #faultOf(error: unknown, socket: Socket | undefined): unknown {
    if (refusalOf(error) !== undefined) return error;
    const fault = faultOf(error, this.name);
    // The connection has survived: it is the value that is wrong.
    const survived = socket !== undefined && !socket.destroyed && fault.code === 'BACKEND_DOWN';
    return survived && !(error instanceof SessionError) ? new Unreadable() : fault;
  }
}

/** A client throws for some things before it promises anything. */
async function begun(send: () => Promise<unknown>): Promise<unknown> {
  return send();
}

function foundIn(values: Values): Map<string, Found> {
  return new Map(
    Object.entries(values).map(([key, { value, casUniq }]) => [
      key,
      { value: typeof value === 'string' ? value : undefined, cas: `${casUniq ?? ''}` },
    ]),
  );
}
