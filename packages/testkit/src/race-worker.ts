import type { ChildProcess } from 'node:child_process';
import type { Backend, ClientCode, FaultCode, HeaderField, Millis } from '@sessionkit/session-core';
import { RaceDesk } from './race-desk.js';
import type { HeldVerb, HoldMode, Slowness } from './race-gates.js';

/** A service as a worker makes it, with a manager of its own. */
export interface RacingService {
  readonly name: string;
  /** Store deadline of the manager, ms. Default: that of core. */
  readonly deadline?: Millis | undefined;
  /** Default: that of core. */
  readonly idleTimeout?: Millis | undefined;
  readonly maxPerUser?: { readonly max: number; readonly full: 'refuse' | 'oldest' } | undefined;
  /** How far the clocks of process and store are ahead, ms. */
  readonly ahead?: Millis | undefined;
  /** All ids are drawn at this instant, and {@link VisitOrder.draw} tells which: so two processes can draw the same. */
  readonly drawsAt?: Millis | undefined;
}

/** One visit. */
export interface VisitOrder {
  readonly token?: string | undefined;
  readonly login?: string | undefined;
  /** Adds `mark` to the list under `key`, and one to the counter under `n`. */
  readonly add?: { readonly key: string; readonly mark: string } | undefined;
  readonly logout?: boolean | undefined;
  /** The data is wanted. */
  readonly read?: boolean | undefined;
  readonly draw?: number | undefined;
}

/** What came of a visit. */
export interface Told {
  /** It was answered, and so were its changes; otherwise there is a refusal or a fault. */
  readonly acknowledged: boolean;
  readonly id?: string | undefined;
  readonly user?: string | undefined;
  readonly data?: Readonly<Record<string, unknown>> | undefined;
  /** All fields of the answer that the session gave. */
  readonly fields: readonly HeaderField[];
  /** The token among them. */
  readonly token?: string | undefined;
  readonly refusal?: ClientCode | undefined;
  readonly fault?: FaultCode | 'UNKNOWN' | undefined;
  readonly message?: string | undefined;
}

/** Many visits, so many at a time, spread over the sessions of `tokens`. */
export interface StreamOrder {
  readonly tokens: readonly string[];
  /** Numbers of the visits: each is a mark of its own. */
  readonly first: number;
  readonly count: number;
  readonly together: number;
  /** Key that only this process writes: every other visit writes there, the rest where both write. */
  readonly own: string;
  readonly slowness: Slowness;
}

export interface StreamReport {
  /** Marks whose visit was acknowledged. */
  readonly acknowledged: readonly string[];
  /** How often each fault or refusal came. */
  readonly faults: Readonly<Record<string, number>>;
  /** Session and version of each save that was tried. */
  readonly attempts: readonly string[];
  /** Longest time for which the event loop stood still. */
  readonly stoodStill: Millis;
}

/** One of the two that race: sessions as a process has them, and gates before its store. Driven from outside, step by step. */
export interface RaceWorker {
  /** What the backend can. */
  abilities(): Promise<readonly string[]>;
  /** Takes the place of one of the same name. */
  serve(service: RacingService): Promise<void>;
  /** All at once. */
  visit(service: string, orders: readonly VisitOrder[]): Promise<readonly Told[]>;
  stream(service: string, order: StreamOrder): Promise<StreamReport>;
  slow(slowness: Slowness | null): Promise<void>;
  hold(verb: HeldVerb, mode: HoldMode): Promise<void>;
  held(verb: HeldVerb, count: number): Promise<readonly string[]>;
  release(verb: HeldVerb): Promise<void>;
  /** Writes the touches that are collected. */
  flush(service: string): Promise<void>;
  /** Adds an entry to the journal of each, where the backend has one. */
  journal(ids: readonly string[]): Promise<void>;
  /** An operator ends them; whether each was ended. */
  end(service: string, ids: readonly string[]): Promise<readonly boolean[]>;
  /** Those of `ids` that live, by load or, where the backend can list, by list. */
  alive(service: string, ids: readonly string[]): Promise<readonly string[]>;
  /** Sessions of a user that live, by list. */
  sessionsOf(service: string, user: string): Promise<readonly string[]>;
  /** Lets go what is held, and ends all services. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

const VERBS = Object.keys({
  abilities: 0,
  serve: 0,
  visit: 0,
  stream: 0,
  slow: 0,
  hold: 0,
  held: 0,
  release: 0,
  flush: 0,
  journal: 0,
  end: 0,
  alive: 0,
  sessionsOf: 0,
  clear: 0,
  close: 0,
} satisfies Record<keyof RaceWorker, 0>) as readonly (keyof RaceWorker)[];

interface Asked {
  readonly turn: number;
  readonly verb: keyof RaceWorker;
  readonly args: readonly unknown[];
}

interface Answered {
  readonly turn: number;
  readonly answer?: unknown;
  readonly error?: string | undefined;
}

const READY = 'ready';

/**
 * What each of the two processes of a race runs, as the whole of a program: `await raceWorker(async ([url]) => myBackend(url));`. `make` is given the arguments of the program.
 * The process ends when the other end of its channel does.
 */
export async function raceWorker(make: (args: readonly string[]) => Promise<Backend>): Promise<void> {
  if (process.send === undefined) throw new Error('a race worker is started by fork(), with a channel');
  const say = process.send.bind(process);
  process.once('disconnect', () => process.exit(0));
  const worker = raceWorkerHere(await make(process.argv.slice(2)));
  process.on('message', ({ turn, verb, args }: Asked) => {
    const call = worker[verb] as (...given: unknown[]) => Promise<unknown>;
    call.apply(worker, [...args]).then(
      (answer) => say({ turn, answer } satisfies Answered),
      (error: unknown) => say({ turn, error: String(error) } satisfies Answered),
    );
  });
  say(READY);
}

/** A worker in this process, for a store that is not shared by processes, and for mutants. `close` closes the backend. */
export function raceWorkerHere(backend: Backend): RaceWorker {
  return new RaceDesk(backend);
}

/** The worker that runs in `child`, once it is ready. `close` ends the process. @throws Error when it ends before. */
export async function raceWorkerIn(child: ChildProcess): Promise<RaceWorker> {
  const waiting = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>();
  let turns = 0;
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code, signal) => {
      const error = new Error(`a process of the race has ended (${code ?? signal})`);
      reject(error);
      for (const one of waiting.values()) one.reject(error);
      waiting.clear();
    });
    child.on('message', (message: typeof READY | Answered) => {
      if (message === READY) return resolve();
      const { turn, answer, error } = message;
      const one = waiting.get(turn);
      waiting.delete(turn);
      if (error === undefined) one?.resolve(answer);
      else one?.reject(new Error(error));
    });
  });
  const ask = (verb: keyof RaceWorker, args: readonly unknown[]) =>
    new Promise<unknown>((resolve, reject) => {
      const turn = turns++;
      waiting.set(turn, { resolve, reject });
      child.send({ turn, verb, args } satisfies Asked, (error) => {
        if (error !== null && waiting.delete(turn)) reject(error);
      });
    });
  const close = async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    if (child.exitCode !== null || child.signalCode !== null) return;
    await ask('close', []);
    child.disconnect();
    await ended;
  };
  const remote = VERBS.map((verb) => [verb, (...args: readonly unknown[]) => ask(verb, args)] as const);
  return { ...(Object.fromEntries(remote) as unknown as RaceWorker), close };
}
