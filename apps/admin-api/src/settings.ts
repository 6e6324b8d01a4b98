import type { Kept } from '@sessionkit/session-core';

/** What an operator may set while the process runs, for all services or for one (MaxScale's names). */
export const SETTING_NAMES = ['retain_last_statements', 'session_trace'] as const;
export type SettingName = (typeof SETTING_NAMES)[number];

/**
 * `retain_last_statements`: how many of its last requests are kept of a session (`queries`); `session_trace`: how many of its last log lines (`log`).
 * 0 keeps none.
 */
export type SettingValues = Readonly<Record<SettingName, number>>;

/** No more is kept of a session, whatever is asked for. */
export const MOST_KEPT = 100;
/** Value of a setting of a service that is left to the one for all services. */
export const AS_GLOBAL = -1;

const OFF: SettingValues = { retain_last_statements: 0, session_trace: 0 };

/** The settings of one process. They begin with 0 and end with it. */
export class Settings {
  #global = OFF;
  readonly #services = new Map<string, Partial<SettingValues>>();
  /** What {@link kept} has answered: it is asked with every request. */
  readonly #answered = new Map<string, Kept>();

  /** For all services that have none of their own. */
  get global(): SettingValues {
    return this.#global;
  }

  /** What counts for the sessions of a service, as `createSessionManager({ kept })` asks for it. */
  readonly kept = (service: string): Kept => {
    const answered = this.#answered.get(service);
    if (answered !== undefined) return answered;
    const { retain_last_statements, session_trace } = { ...this.#global, ...this.#services.get(service) };
    const kept = { statements: retain_last_statements, lines: session_trace };
    this.#answered.set(service, kept);
    return kept;
  };

  /** What was set for a service itself; {@link AS_GLOBAL} where nothing was. */
  ownOf(service: string): SettingValues {
    const own = this.#services.get(service);
    return {
      retain_last_statements: own?.retain_last_statements ?? AS_GLOBAL,
      session_trace: own?.session_trace ?? AS_GLOBAL,
    };
  }

  /** Sets the named ones, for all services. Values are whole numbers from 0 to {@link MOST_KEPT}. */
  setGlobal(change: Partial<SettingValues>): void {
    this.#global = { ...this.#global, ...change };
    this.#answered.clear();
  }

  /** Sets the named ones for one service; {@link AS_GLOBAL} takes back what was set. */
  setOf(service: string, change: Partial<SettingValues>): void {
    const merged = Object.entries({ ...this.#services.get(service), ...change });
    this.#answered.clear();
    this.#services.set(service, Object.fromEntries(merged.filter(([, value]) => value !== AS_GLOBAL)));
  }
}
