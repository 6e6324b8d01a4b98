import type { SessionId } from '@sessionkit/session-core';

/** What an index is of: all sessions, those of a service, those of a user. */
export interface Dimension {
  readonly service?: string | undefined;
  readonly user?: string | undefined;
}

/** The keys of one prefix. What belongs to one session has its id in braces, so that a Cluster keeps it in one slot. */
export class Keys {
  readonly due: string;
  readonly sweeper: string;
  readonly processes: string;
  readonly channel: string;
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.due = `${prefix}due`;
    this.sweeper = `${prefix}sweeper`;
    this.processes = `${prefix}processes`;
    this.channel = `${prefix}changes`;
  }

  record(id: SessionId): string {
    return `${this.#prefix}{${id}}`;
  }

  journal(id: SessionId): string {
    return `${this.#prefix}{${id}}:journal`;
  }

  /** The index of ids; of the ended ones only when `ended`. A user's is preferred to a service's. */
  index({ service, user }: Dimension, ended: boolean): string {
    const kind = ended ? 'ended' : 'index';
    if (user !== undefined) return `${this.#prefix}${kind}:user:${user}`;
    return service === undefined ? `${this.#prefix}${kind}` : `${this.#prefix}${kind}:service:${service}`;
  }

  /** Every index that a session of this service and user stands in. Without a service it is damaged: nobody can say whose it is. */
  indexes(service: string, user: string | undefined, ended: boolean): string[] {
    if (service === '') return [this.index({}, ended)];
    const keys = [this.index({}, ended), this.index({ service }, ended)];
    if (user !== undefined) keys.push(this.index({ user }, ended));
    return keys;
  }

  places(service: string, user: string): string {
    return `${this.#prefix}places:${service.length}:${service}:${user}`;
  }

  process(name: string): string {
    return `${this.#prefix}process:${name}`;
  }
}
