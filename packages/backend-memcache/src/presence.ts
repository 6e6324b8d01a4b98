import { randomBytes } from 'node:crypto';
import { type Link, type Millis, SessionError, type SessionId } from '@sessionkit/session-core';
import { type Server, storing, storingOver } from './server.js';
import { digest, type MemcacheStore } from './store.js';

/** A process stays in the list of processes for so long after its lease: so that the list is seldom written. */
const LISTED: Millis = 60_000;
/** A server counts whole seconds, and may be one ahead: the end of a lease is in the value. */
const LEASE_LATE: Millis = 2_000;

/** What a process holds open, as far as it has room in one value. */
interface Announced {
  readonly process: string;
  /** End of the lease, by the clock of the process that announced it. */
  readonly until: Millis;
  /** Keys of what had no room. */
  readonly parts: readonly string[];
  readonly links: readonly PackedLink[];
}

type PackedLink = readonly [id: string, since: Millis, detail: Link['detail']];

/** Each process has a value of its own, under a key made of its name; a list of processes leads to them. */
export async function announce(
  store: MemcacheStore,
  process: string,
  links: readonly Link[],
  ttl: Millis,
  signal: AbortSignal,
): Promise<void> {
  store.check(signal);
  const name = digest(process);
  const key = store.process(name);
  const lives = store.ttl(store.now + ttl, LEASE_LATE);
  const [first = [], ...more] = parted(
    links.map(({ id, since, detail }): PackedLink => [id, since, detail]),
    store.options.maxRecordBytes / 2,
  );
  const mark = randomBytes(6).toString('base64url');
  // What the value names stands before it does: whoever reads it finds everything.
  const parts = more.map((_, n) => store.process(name, `:${mark}:${n}`));
  await Promise.all(
    more.map((some, n) => put(store, parts[n] as string, JSON.stringify(some), lives, signal)),
  );
  const value: Announced = { process, until: store.now + ttl, parts, links: first };
  await Promise.all([
    put(store, key, JSON.stringify(value), lives, signal),
    enlist(store, name, value.until, signal),
  ]);
}

export async function present(
  store: MemcacheStore,
  ids: readonly SessionId[],
  signal: AbortSignal,
): Promise<Link[]> {
  store.check(signal);
  if (ids.length === 0) return [];
  const wanted = new Set<string>(ids);
  const found = await getAll(
    store,
    Object.keys(await listed(store, signal)).map((name) => store.process(name)),
    signal,
  );
  const { now } = store;
  const living = [...found.values()].flatMap((text) => {
    const announced = parsed<Announced>(text);
    return announced !== undefined && announced.until > now ? [announced] : [];
  });
  const parts = await getAll(
    store,
    living.flatMap(({ parts }) => parts),
    signal,
  );
  return living.flatMap(({ process, parts: keys, links }) => {
    const more = keys.flatMap((key) => parsed<readonly PackedLink[]>(parts.get(key)) ?? []);
    return [...links, ...more].flatMap(([id, since, detail]) =>
      wanted.has(id) ? [{ id: id as SessionId, process, since, detail }] : [],
    );
  });
}

/** Puts a process into the list, where it is not or will not be until its lease ends. Those that have gone leave it meanwhile. */
async function enlist(
  store: MemcacheStore,
  name: string,
  leased: Millis,
  signal: AbortSignal,
): Promise<void> {
  const server = serverOf(store, store.processes);
  for (;;) {
    const before = (await server.gets([store.processes], signal)).get(store.processes);
    const processes = parsed<Record<string, Millis>>(before?.value) ?? {};
    if ((processes[name] ?? 0) >= leased) return;
    const living = Object.entries(processes).filter(([, until]) => until > store.now);
    const next = { ...Object.fromEntries(living), [name]: leased + LISTED };
    // Until the last of them leaves it.
    const ttl = store.ttl(Math.max(...Object.values(next)), LEASE_LATE);
    const list = storingOver(before, store.processes, JSON.stringify(next), ttl);
    const [refusal] = await server.change([list], signal);
    if (refusal === undefined) return;
  }
}

async function listed(store: MemcacheStore, signal: AbortSignal): Promise<Readonly<Record<string, Millis>>> {
  const found = await serverOf(store, store.processes).gets([store.processes], signal);
  return parsed<Record<string, Millis>>(found.get(store.processes)?.value) ?? {};
}

function serverOf(store: MemcacheStore, key: string): Server {
  return store.ring.of(key);
}

async function put(store: MemcacheStore, key: string, value: string, ttl: number, signal: AbortSignal) {
  await serverOf(store, key).change([storing('set', key, value, ttl)], signal);
}

async function getAll(
  store: MemcacheStore,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string | undefined>> {
  const byServer = new Map<Server, string[]>();
  for (const key of keys) {
    const server = serverOf(store, key);
    const others = byServer.get(server);
    if (others === undefined) byServer.set(server, [key]);
    else others.push(key);
  }
  const found = await Promise.all([...byServer].map(([server, own]) => server.gets(own, signal)));
  return new Map(found.flatMap((each) => [...each].map(([key, { value }]) => [key, value] as const)));
}

/** In parts of at most so many bytes. */
function parted(links: readonly PackedLink[], most: number): PackedLink[][] {
  const parts: PackedLink[][] = [];
  let room = 0;
  for (const link of links) {
    const bytes = Buffer.byteLength(JSON.stringify(link));
    if (bytes > most)
      throw new SessionError(
        'RECORD_TOO_LARGE',
        `what is known of a link has ${bytes} bytes, more than ${most}`,
      );
    if (bytes > room) {
      parts.push([]);
      room = most;
    }
    parts.at(-1)?.push(link);
    room -= bytes + 1;
  }
  return parts;
}

/** Undefined for what cannot be understood: the next announcement puts it right. */
function parsed<T extends object>(text: string | undefined): T | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' && value !== null ? (value as T) : undefined;
  } catch {
    return undefined;
  }
}
