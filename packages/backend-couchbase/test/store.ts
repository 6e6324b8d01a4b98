import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { ConfigSchema, SessionId } from '@sessionkit/session-core';
import { type CouchbaseServer, startCouchbase } from '@sessionkit/test-stores/couchbase';
import type { OpenBackend } from '@sessionkit/testkit';
import { type Cluster, type Collection, connect } from 'couchbase';
import { afterAll, expect } from 'vitest';
import { Keys } from '../src/options.js';

export const signal = new AbortController().signal;
// Many calls at a time are given it.
setMaxListeners(0, signal);

/** A server, real or the double, and what looks past the backend. */
export interface Place extends CouchbaseServer {
  /** A new connection of the test's own; closed when the tests of the file are done. */
  cluster(): Promise<Cluster>;
  documents(): Promise<Collection>;
  /** Runs when the tests of the file are done, before the server goes. */
  atEnd(task: () => Promise<unknown>): void;
}

/** For the tests of one file. */
export async function startPlace(): Promise<Place> {
  const server = await startCouchbase();
  const tasks: (() => Promise<unknown>)[] = [];
  afterAll(async () => {
    await Promise.all(tasks.map((task) => task()));
    await server.stop();
  }, 60_000);
  const cluster = async () => {
    const made = await connectTo(server);
    tasks.push(() => made.close());
    return made;
  };
  let shared: Promise<Cluster> | undefined;
  return {
    ...server,
    cluster,
    atEnd: (task) => tasks.push(task),
    async documents() {
      shared ??= cluster();
      return (await shared).bucket(server.bucket).defaultCollection();
    },
  };
}

export function connectTo({
  url,
  user,
  password,
}: Pick<CouchbaseServer, 'url' | 'user' | 'password'>): Promise<Cluster> {
  return connect(url, { username: user, password });
}

/** A prefix that no other test has: nothing needs to be emptied. */
export function newPrefix(): string {
  return `${randomBytes(6).toString('hex')} “’é/:`;
}

/** What the suites ask beside two instances: what is stored under an id, and a way to damage it. */
export function lookingPast(
  documents: Collection,
  prefix: string,
): Pick<OpenBackend, 'peek'> & { corrupt(id: SessionId): Promise<void> } {
  const keys = new Keys(prefix);
  return {
    peek: (id) => shown(documents, keys.session(id)),
    async corrupt(id) {
      const { content } = await documents.get(keys.session(id));
      await documents.replace(keys.session(id), { ...content, session: { format: 1 } });
    },
  };
}

async function shown(documents: Collection, key: string): Promise<unknown> {
  try {
    return (await documents.get(key)).content;
  } catch (error) {
    if ((error as Error).name === 'DocumentNotFoundError') return undefined;
    throw error;
  }
}

interface Outcome {
  readonly value?: unknown;
  readonly issues?: readonly { readonly path: readonly string[]; readonly message: string }[];
}

export const outcome = (module: { readonly config: ConfigSchema }, section: unknown) =>
  module.config['~standard'].validate(section) as Outcome;

/** A section as the schema of its module gives it out. */
export function valid<T>(module: { readonly config: ConfigSchema<T> }, section: unknown): T {
  const { value, issues } = outcome(module, section);
  expect(issues).toBeUndefined();
  return value as T;
}
