import type { LogEntry, Millis } from './environment.js';
import { SessionError } from './errors.js';

/** For so long nothing is said twice. */
const INTERVAL: Millis = 60_000;
/** Without a failure for so long, a store is said to answer again however lately that was said before. */
const CALM: Millis = 5_000;

/** Whom a complaint is about, where it is not the store as a whole. */
export type About = Pick<LogEntry, 'service' | 'session'>;

/** What the process log is told of a store: each outage, and whatever else goes wrong, however often, once a minute. */
export class Complaints {
  readonly #type: string;
  readonly #log: (entry: LogEntry) => void;
  readonly #said = new Map<string, Millis>();
  #down = false;
  #failedAt: Millis = 0;
  #againAt: Millis = -INTERVAL;

  constructor(type: string, log: (entry: LogEntry) => void) {
    this.#type = type;
    this.#log = log;
  }

  /** Says at most once a minute that this goes wrong. Another number in the message makes it no other complaint, another fault does. */
  complain(message: string, error: unknown, about: About = {}): void {
    const key = `${message.replace(/-?\d+/g, '#')} ${error instanceof SessionError ? error.code : ''}`;
    const now = performance.now();
    if (now - (this.#said.get(key) ?? -INTERVAL) < INTERVAL) return;
    this.#said.set(key, now);
    this.#log({ level: 'warning', message: `${this.#type}: ${message}`, error, ...about });
  }

  /** A call found the store down. */
  failed(error: SessionError): void {
    this.#failedAt = performance.now();
    if (this.#down) return;
    this.#down = true;
    this.#log({ level: 'error', message: `${this.#type}: does not answer`, error });
  }

  /** A call was answered. Where only some are, the outage goes on. */
  answered(): void {
    if (!this.#down) return;
    const now = performance.now();
    if (now - this.#againAt < INTERVAL && now - this.#failedAt < CALM) return;
    this.#down = false;
    this.#againAt = now;
    this.#log({ level: 'notice', message: `${this.#type}: answers again` });
  }
}
