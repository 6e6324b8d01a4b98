import type { Change, LogEntry, SessionRecord } from '@sessionkit/session-core';

type Listener = (change: Change) => void;

/** Tells all instances on one store what changed; never within the call that changed it. */
export class Notices {
  readonly #listeners = new Map<Listener, (entry: LogEntry) => void>();
  #waiting: Change[] = [];

  /** Calls `onChange` until the answered function is called; what it throws goes to `log` and to nobody else. */
  listen(onChange: Listener, log: (entry: LogEntry) => void): () => void {
    const listener: Listener = (change) => onChange(change);
    this.#listeners.set(listener, log);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  publish(change: Change): void {
    if (this.#listeners.size === 0) return;
    if (this.#waiting.push(change) === 1) setImmediate(() => this.#deliver());
  }

  #deliver(): void {
    const changes = this.#waiting;
    this.#waiting = [];
    for (const change of changes) {
      for (const [listener, log] of this.#listeners) {
        try {
          listener(change);
        } catch (error) {
          log({
            level: 'error',
            message: 'a listener for changes of the memory backend failed',
            session: change.id,
            error,
          });
        }
      }
    }
  }
}

/** Whether another process has to hear of a save: data alone is read anew at each visit. */
export function isNews(before: SessionRecord, after: SessionRecord): boolean {
  return (
    before.user !== after.user ||
    before.epoch !== after.epoch ||
    before.secretHash !== after.secretHash ||
    before.killAt !== after.killAt ||
    before.restartedAt !== after.restartedAt ||
    !sameList(before.filters, after.filters) ||
    !sameParameters(before.parameters, after.parameters)
  );
}

function sameList(a: SessionRecord['filters'], b: SessionRecord['filters']): boolean {
  if (a === b) return true;
  return a?.length === b?.length && a?.every((name, at) => name === b?.[at]) === true;
}

function sameParameters(a: SessionRecord['parameters'], b: SessionRecord['parameters']): boolean {
  if (a === b) return true;
  const names = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof SessionRecord['parameters']>;
  return [...names].every((name) => a[name] === b[name]);
}
