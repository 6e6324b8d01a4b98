import { nameProblem, type Session } from '@sessionkit/session-core';
import type { RawFields } from './fields.js';

/** What an upstream's answer says is to happen to the session. */
export interface Steering {
  /** Log out; outranks the others. */
  readonly destroy: boolean;
  /** Log in, before data is changed. */
  readonly user: string | undefined;
  readonly data: Readonly<Record<string, unknown>> | undefined;
}

/** Why steering fields can't be obeyed. Says nothing of their values. */
export class MalformedSteering extends Error {
  override readonly name = 'MalformedSteering';
}

const NAMES = ['x-session-destroy', 'x-session-user', 'x-session-data'] as const;
type Name = (typeof NAMES)[number];

const BASE64URL = /^[A-Za-z0-9_-]*={0,2}$/;
const PRINTABLE = /^[\x21-\x7e]+$/;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The steering fields of a head, unread; undefined when there are none. Other `X-Session-*` fields mean nothing. */
export function steeringFields(raw: RawFields): ReadonlyMap<Name, readonly string[]> | undefined {
  let found: Map<Name, string[]> | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? '';
    if (name.length < 14 || name.length > 17) continue;
    const key = NAMES.find((one) => one === name.toLowerCase());
    if (key === undefined) continue;
    found ??= new Map();
    found.set(key, [...(found.get(key) ?? []), raw[i + 1] ?? '']);
  }
  return found;
}

/** All of it is read before any of it is obeyed. @throws MalformedSteering */
export function readSteering(fields: ReadonlyMap<Name, readonly string[]>): Steering {
  for (const [name, values] of fields) {
    if (values.length > 1) throw new MalformedSteering(`${name} is there ${values.length} times`);
  }
  const [destroy] = fields.get('x-session-destroy') ?? [];
  const [user] = fields.get('x-session-user') ?? [];
  const [data] = fields.get('x-session-data') ?? [];
  if (destroy !== undefined && destroy !== '1') {
    throw new MalformedSteering('x-session-destroy has a value other than 1');
  }
  return {
    destroy: destroy === '1',
    user: user === undefined ? undefined : readUser(user),
    data: data === undefined ? undefined : readData(data),
  };
}

/** @throws SessionError as the verbs of the session do. */
export async function obey({ destroy, user, data }: Steering, session: Session): Promise<void> {
  if (destroy) return session.logout();
  if (user !== undefined) await session.login(user);
  if (data !== undefined) session.merge(data);
}

function readUser(value: string): string {
  if (!PRINTABLE.test(value)) throw new MalformedSteering('x-session-user is empty or not percent-encoded');
  let user: string;
  try {
    user = decodeURIComponent(value);
  } catch {
    throw new MalformedSteering('x-session-user is not percent-encoded UTF-8');
  }
  // Looked at before the first verb, so that a login is not stored when the data after it can't be.
  const problem = nameProblem(user);
  if (problem !== undefined) throw new MalformedSteering(`x-session-user ${problem}`);
  return user;
}

function readData(value: string): Readonly<Record<string, unknown>> {
  const bare = value.replace(/=+$/, '');
  if (!BASE64URL.test(value) || bare.length % 4 === 1) {
    throw new MalformedSteering('x-session-data is not base64url');
  }
  let patch: unknown;
  try {
    patch = JSON.parse(utf8.decode(Buffer.from(bare, 'base64url')), refuseProto);
  } catch (error) {
    if (error instanceof MalformedSteering) throw error;
    throw new MalformedSteering('x-session-data is not JSON in UTF-8');
  }
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) {
    throw new MalformedSteering('x-session-data is not a JSON object');
  }
  for (const key of Object.keys(patch)) {
    const problem = nameProblem(key);
    if (problem !== undefined) throw new MalformedSteering(`a key of x-session-data ${problem}`);
  }
  return patch as Readonly<Record<string, unknown>>;
}

function refuseProto(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new MalformedSteering('x-session-data has a key __proto__');
  return value;
}
