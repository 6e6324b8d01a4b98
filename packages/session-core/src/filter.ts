import type { Environment, LogLevel } from './environment.js';
import type { SessionId } from './id.js';
import type { ClientInfo, Json } from './record.js';
import type { Exchange } from './router.js';

/** What a filter is given to build itself from. */
export interface FilterContext {
  readonly environment: Environment;
  /** Under which the configuration knows it. */
  readonly name: string;
}

/** The session that a filter is opened for. It is the same one for as long as the filter session is open: after a login another is opened. */
export interface FilterTarget {
  readonly id: SessionId;
  /** The service (or share group) of the session. */
  readonly service: string;
  readonly user: string | undefined;
  readonly client: ClientInfo;
  /** Adds a line to the log of the session, and to the process log where the session's log levels say so. */
  log(level: LogLevel, message: string): void;
}

/**
 * One link of the chain around a session's requests. One instance serves all sessions of all services that name it; what it knows of one session is in
 * a {@link FilterSession}.
 */
export interface Filter {
  readonly type: string;
  /**
   * Opens it for one session in this process. A rejection leaves the chain that the session has; without one, the visit is refused (503).
   */
  open(target: FilterTarget): FilterSession | Promise<FilterSession>;
  /** What operators are shown of all its sessions together. */
  diagnostics?(): Readonly<Record<string, Json>>;
  /** Called once, when its filter sessions are closed. */
  close?(): void | Promise<void>;
}

/** A filter at work for one session. */
export interface FilterSession {
  /**
   * Sees one request, and passes it on by `next`, which resolves when the answer is finished or cut; or answers it and does not call `next`. What goes out is
   * seen by `observeAnswer`. A rejection becomes a 500.
   */
  handle(exchange: Exchange, next: () => Promise<void>): Promise<void>;
  /** Called exactly once, when no request runs through it any more and none will. */
  close(): void | Promise<void>;
}
