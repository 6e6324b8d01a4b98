import { isAdminToken, type Users } from '@sessionkit/admin-api';
import type { Environment, Millis } from '@sessionkit/session-core';

const FRESH: Millis = 1_000;

/**
 * Tells which `Authorization` values are meant for the admin API: its tokens, and Basic credentials of a user that it has. Whether the password is right
 * does not count, since a wrong one is mostly a slip away from the right one.
 */
export class AdminCredentials {
  readonly #users: Users;
  readonly #environment: Environment;
  #names: ReadonlySet<string> = new Set();
  #asked: Millis = 0;

  constructor(users: Users, environment: Environment) {
    this.#users = users;
    this.#environment = environment;
  }

  include(authorization: string): boolean {
    if (isAdminToken(authorization)) return true;
    const basic = /^basic +([A-Za-z0-9+/=_-]+) *$/i.exec(authorization)?.[1];
    if (basic === undefined) return false;
    const now = this.#environment.now();
    if (Math.abs(now - this.#asked) >= FRESH) {
      this.refresh().catch((error: unknown) => {
        this.#environment.log({
          level: 'error',
          message: 'the users of the admin API cannot be read',
          error,
        });
      });
    }
    const text = Buffer.from(basic, 'base64').toString();
    const colon = text.indexOf(':');
    return colon >= 0 && this.#names.has(text.slice(0, colon).normalize('NFC'));
  }

  /** Reads who the users are. @throws SessionError `CONFIG_INVALID`: the users file is broken. */
  async refresh(): Promise<void> {
    this.#asked = this.#environment.now();
    const users = await this.#users.list();
    this.#names = new Set(users.map(({ name }) => name));
  }
}
