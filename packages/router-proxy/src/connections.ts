import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ConnectionInfo, Holding, HoldingSource, Millis, SessionId } from '@sessionkit/session-core';

/** How long a connection counts as one of a session's after its last request over it, and what came and went as recent. */
const RECENT: Millis = 30_000;
const SECONDS = RECENT / 1_000 + 1;

let made = 0;

/** One connection to a server while it is open. */
export class Wire {
  /** Of this process; never given twice. */
  readonly id = ++made;
  readonly socket: Socket;
  readonly cipher: string;

  constructor(socket: Socket) {
    this.socket = socket;
    this.cipher = 'getCipher' in socket ? ((socket as TLSSocket).getCipher()?.name ?? '') : '';
  }
}

/** What a session did over one connection. */
class Line {
  readonly server: string;
  readonly wire: Wire;
  reads = 0;
  writes = 0;
  /** Of exchanges that are over. */
  readBytes = 0;
  writtenBytes = 0;
  bufferedWrites = 0;
  highWaterEvents = 0;
  lowWaterEvents = 0;
  /** Exchanges under way. */
  readonly uses = new Set<Use>();
  usedAt: Millis = 0;

  constructor(server: string, wire: Wire) {
    this.server = server;
    this.wire = wire;
  }

  get info(): ConnectionInfo {
    const { server, wire, reads, writes } = this;
    let { readBytes, writtenBytes } = this;
    for (const { moved } of this.uses) {
      readBytes += moved.read;
      writtenBytes += moved.written;
    }
    const { bufferedWrites, highWaterEvents, lowWaterEvents } = this;
    const statistics = {
      reads,
      readBytes,
      writes,
      writtenBytes,
      bufferedWrites,
      highWaterEvents,
      lowWaterEvents,
    };
    return { server, connectionId: wire.id, cipher: wire.cipher, statistics };
  }
}

/** Reads and writes by the second, of the last ones. */
class Recent {
  readonly #counts = new Uint32Array(SECONDS);
  #second = 0;

  add(now: Millis): void {
    this.#turn(now);
    const at = this.#second % SECONDS;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  sum(now: Millis): number {
    this.#turn(now);
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  #turn(now: Millis): void {
    const second = Math.floor(now / 1_000);
    const passed = Math.min(Math.max(0, second - this.#second), SECONDS);
    for (let i = 1; i <= passed; i++) this.#counts[(second - passed + i) % SECONDS] = 0;
    this.#second = Math.max(this.#second, second);
  }
}

interface Entry {
  readonly lines: Map<number, Line>;
  readonly recent: Recent;
}

/** One exchange of a session over one connection: what it reads and writes is counted. */
export class Use {
  /** How many bytes wait for the client. */
  waiting: () => number;
  readonly #line: Line;
  readonly #recent: Recent;
  readonly #now: () => Millis;
  readonly #begun: { readonly read: number; readonly written: number };

  constructor(line: Line, recent: Recent, now: () => Millis, waiting: () => number) {
    this.waiting = waiting;
    this.#line = line;
    this.#recent = recent;
    this.#now = now;
    const { bytesRead, bytesWritten } = line.wire.socket;
    this.#begun = { read: bytesRead, written: bytesWritten };
    line.uses.add(this);
  }

  /** Bytes so far. */
  get moved(): { readonly read: number; readonly written: number } {
    const { bytesRead, bytesWritten } = this.#line.wire.socket;
    return { read: bytesRead - this.#begun.read, written: bytesWritten - this.#begun.written };
  }

  /** Bytes that wait for the client or for the server. */
  get buffered(): number {
    const { readableLength, writableLength } = this.#line.wire.socket;
    return this.waiting() + readableLength + writableLength;
  }

  /** Something was taken from the server. */
  read(): void {
    this.#line.reads += 1;
    this.#recent.add(this.#now());
  }

  /** Something was given to the server. */
  write(): void {
    this.#line.writes += 1;
    this.#recent.add(this.#now());
  }

  /** A write to the client had to wait in memory, and the server is held back for it. */
  high(): void {
    this.#line.bufferedWrites += 1;
    this.#line.highWaterEvents += 1;
  }

  /** The client has caught up. */
  low(): void {
    this.#line.lowWaterEvents += 1;
  }

  end(): void {
    const line = this.#line;
    if (!line.uses.delete(this)) return;
    const { read, written } = this.moved;
    line.readBytes += read;
    line.writtenBytes += written;
    line.usedAt = this.#now();
  }
}

/**
 * The connections to servers by the sessions whose requests went over them: those with a request under way, and those that had one in the last 30 s and are still open. A
 * connection of a pool serves many sessions, one after the other.
 */
export class Connections implements HoldingSource {
  readonly #now: () => Millis;
  readonly #sessions = new Map<SessionId, Entry>();
  #prunedAt: Millis = 0;

  constructor(now: () => Millis) {
    this.#now = now;
  }

  /** @param waiting how many bytes wait for the client of this exchange. */
  begin(id: SessionId, server: string, wire: Wire, waiting: () => number): Use {
    const now = this.#now();
    if (now - this.#prunedAt > RECENT) this.#prune(now);
    let entry = this.#sessions.get(id);
    if (entry === undefined) {
      entry = { lines: new Map(), recent: new Recent() };
      this.#sessions.set(id, entry);
    }
    let line = entry.lines.get(wire.id);
    if (line === undefined) {
      line = new Line(server, wire);
      entry.lines.set(wire.id, line);
    }
    return new Use(line, entry.recent, this.#now, waiting);
  }

  *sessions(): Iterable<SessionId> {
    this.#prune(this.#now());
    yield* this.#sessions.keys();
  }

  holding(id: SessionId): Holding | undefined {
    const entry = this.#sessions.get(id);
    const now = this.#now();
    if (entry === undefined || !refresh(entry, now)) return undefined;
    let buffered = 0;
    for (const { uses } of entry.lines.values()) for (const use of uses) buffered += use.buffered;
    return {
      connections: [...entry.lines.values()].map(({ info }) => info),
      ioActivity: entry.recent.sum(now),
      buffered,
    };
  }

  #prune(now: Millis): void {
    this.#prunedAt = now;
    for (const [id, entry] of this.#sessions) if (!refresh(entry, now)) this.#sessions.delete(id);
  }
}

/** Drops what is no longer the session's; false when nothing is left. */
function refresh({ lines }: Entry, now: Millis): boolean {
  for (const [id, { uses, usedAt, wire }] of lines)
    if (uses.size === 0 && (wire.socket.destroyed || now - usedAt > RECENT)) lines.delete(id);
  return lines.size > 0;
}

/** A body on its way up, each chunk counted for the session. */
export async function* counted(
  request: IncomingMessage,
  use: () => Use | undefined,
): AsyncGenerator<Buffer, void, void> {
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    use()?.write();
    yield chunk;
  }
}
