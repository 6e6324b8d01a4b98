import type { SessionId } from '@sessionkit/session-core';

/** Absolute links under the host that the client named. All end in a slash. */
export class Links {
  readonly #base: string;

  /** @param base such as `http://localhost:8989/v1` */
  constructor(base: string) {
    this.#base = base;
  }

  /** To a path of names, such as a type, one of its resources, and one of its relationships. */
  readonly to = (...names: readonly string[]) =>
    `${this.#base}/${names.map((name) => `${encodeURIComponent(name)}/`).join('')}`;
  readonly sessions = () => `${this.#base}/sessions/`;
  readonly session = (id: SessionId) => `${this.#base}/sessions/${id}/`;
}
