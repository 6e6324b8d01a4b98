import type { Link, Millis, SessionId } from '@sessionkit/session-core';
import type { Call, Store } from './store.js';

/** For how long a process stands in the list of processes at least: so that it is seldom written. */
const LISTED: Millis = 600_000;

interface Announced {
  readonly process: string;
  readonly until: Millis;
  readonly links: readonly Pick<Link, 'id' | 'since' | 'detail'>[];
}

/** Links of a process: one document with a lease. Which processes there are stands in another one. */
export class Presences {
  readonly #store: Store;
  /** Until when this one's processes are listed. */
  readonly #listed = new Map<string, Millis>();

  constructor(store: Store) {
    this.#store = store;
  }

  async announce(call: Call, process: string, links: readonly Link[], ttl: Millis): Promise<void> {
    const { now } = this.#store;
    const until = now + ttl;
    const json = JSON.stringify({
      process,
      until,
      links: links.map(({ id, since, detail }) => ({ id, since, detail })),
    } satisfies Announced);
    await Promise.all([
      call.upsert(this.#store.options.keys.process(process), json, { until }),
      (this.#listed.get(process) ?? 0) < until ? this.#list(call, process, until + LISTED) : undefined,
    ]);
  }

  async present(call: Call, ids: readonly SessionId[]): Promise<Link[]> {
    const wanted = new Set(ids);
    if (wanted.size === 0) return [];
    const { keys } = this.#store.options;
    const processes = processesIn((await call.get(keys.processes))?.content);
    const names = [...processes.keys()];
    const found = await Promise.all(names.map((name) => call.get(keys.process(name))));
    const { now } = this.#store;
    return found.flatMap((document, n) => {
      const { until = 0, links } = (document?.content ?? {}) as Partial<Announced>;
      if (until <= now || !Array.isArray(links)) return [];
      const process = names[n] ?? '';
      return (links as Announced['links'])
        .filter(({ id }) => wanted.has(id))
        .map(({ id, since, detail }) => ({ id, process, since, detail }));
    });
  }

  async #list(call: Call, process: string, until: Millis): Promise<void> {
    const key = this.#store.options.keys.processes;
    for (;;) {
      const { now } = this.#store;
      const found = await call.get(key);
      const processes = processesIn(found?.content);
      processes.set(process, Math.max(until, processes.get(process) ?? 0));
      const living = [...processes].filter(([, last]) => last > now);
      const json = JSON.stringify({ processes: living });
      const last = Math.max(...living.map(([, each]) => each));
      const written =
        found === undefined
          ? await call.insert(key, json, { until: last })
          : await call.replace(key, json, { cas: found.cas, until: last });
      if (typeof written !== 'object') continue;
      this.#listed.set(process, until);
      return;
    }
  }
}

function processesIn(content: unknown): Map<string, Millis> {
  const { processes } = (content ?? {}) as { readonly processes?: unknown };
  return new Map(Array.isArray(processes) ? (processes as [string, Millis][]) : []);
}
