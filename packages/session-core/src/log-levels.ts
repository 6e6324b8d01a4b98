import type { LogLevel } from './environment.js';
import type { SessionId } from './id.js';
import type { LogParameter } from './lists.js';
import type { SessionRecord } from './record.js';

type Parameters = SessionRecord['parameters'];

/** Sessions whose levels are known at a time; of those beyond the oldest have the usual ones until their next request. */
const MOST = 10_000;
/** What a session whose operator has said nothing writes into the process log: its requests would flood it. */
const USUAL: Readonly<Record<LogLevel, boolean>> = {
  debug: false,
  info: false,
  notice: true,
  warning: true,
  error: true,
};

/** The log levels that operators have set of sessions which this process serves. */
export class LogLevels {
  readonly #known = new Map<SessionId, Parameters>();

  /** Called with every record that is opened: nearly all have no levels. */
  know({ id, parameters }: Pick<SessionRecord, 'id' | 'parameters'>): void {
    let any = false;
    for (const _ in parameters) any = true;
    if (!any) {
      if (this.#known.size > 0) this.#known.delete(id);
      return;
    }
    this.#known.delete(id);
    this.#known.set(id, parameters);
    if (this.#known.size <= MOST) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }

  forget(id: SessionId): void {
    this.#known.delete(id);
  }

  /** Whether a line of this level goes to the process log; `asked`: because an operator said so. */
  of(id: SessionId, level: LogLevel): 'no' | 'yes' | 'asked' {
    const set = this.#known.get(id)?.[`log_${level}` satisfies LogParameter];
    if (set === undefined) return USUAL[level] ? 'yes' : 'no';
    return set ? 'asked' : 'no';
  }
}
