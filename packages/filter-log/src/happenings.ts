import { type FilterTarget, onEvent, type SessionId } from '@sessionkit/session-core';

interface Open {
  /** The one that was opened last: while a chain takes the place of another, both are open. */
  target: FilterTarget;
  count: number;
}

/** What happens in this process to the sessions that a filter is open for, as it is published. Listens only while there are some. */
export class Happenings {
  readonly #tell: (target: FilterTarget, line: string) => void;
  readonly #open = new Map<SessionId, Open>();
  #stops: (() => void)[] = [];

  constructor(tell: (target: FilterTarget, line: string) => void) {
    this.#tell = tell;
  }

  /** Answers how to leave. */
  follow(target: FilterTarget): () => void {
    const { id } = target;
    if (this.#open.size === 0) this.#listen();
    const open = this.#open.get(id);
    if (open === undefined) this.#open.set(id, { target, count: 1 });
    else {
      open.target = target;
      open.count += 1;
    }
    return () => this.#leave(id);
  }

  #leave(id: SessionId): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    open.count -= 1;
    if (open.count > 0) return;
    this.#open.delete(id);
    if (this.#open.size === 0) for (const stop of this.#stops.splice(0)) stop();
  }

  #listen(): void {
    const of = (id: SessionId, line: () => string) => {
      const open = this.#open.get(id);
      if (open !== undefined) this.#tell(open.target, line());
    };
    this.#stops = [
      onEvent('sessionkit:session.created', ({ id }) => of(id, () => 'the session begins')),
      onEvent('sessionkit:session.login', ({ id, epoch }) => of(id, () => `a login, its number ${epoch}`)),
      onEvent('sessionkit:session.rotated', ({ id }) => of(id, () => 'a new secret')),
      onEvent('sessionkit:session.conflict', ({ id }) =>
        of(id, () => 'a save lost against another process, and its changes are replayed'),
      ),
      onEvent('sessionkit:session.ended', ({ id, cause, by }) =>
        of(id, () => `the session ends: ${cause}${by === undefined ? '' : `, by ${by}`}`),
      ),
    ];
  }
}
