import type { Link, Millis, SessionId } from '@sessionkit/session-core';
import { checkNames } from './codec.js';
import type { RedisStore } from './store.js';

/** The links of a process are one hash with a lease: its members are session ids, its values JSON. */
export async function announce(
  store: RedisStore,
  process: string,
  links: readonly Link[],
  ttl: Millis,
  signal: AbortSignal,
): Promise<void> {
  store.check(signal);
  checkNames({ 'the name of the process': process });
  const byId = new Map<SessionId, Link[]>();
  for (const link of links) {
    const others = byId.get(link.id);
    if (others === undefined) byId.set(link.id, [link]);
    else others.push(link);
  }
  const latest = await store.latest(signal);
  const now = Math.ceil(await store.time(signal));
  const args = [...byId].flatMap(([id, own]) => [
    id,
    JSON.stringify(own.map(({ since, detail }) => ({ since, detail }))),
  ]);
  const { processes } = store.keys;
  await store.sendAll(
    'announce',
    [
      ['ZREMRANGEBYSCORE', processes, '-inf', `(${now}`],
      store.scripts.add.command([processes], [process, `${now + ttl}`, `${now + ttl}`]),
      store.scripts.announce.command([store.keys.process(process)], [latest, `${Math.ceil(ttl)}`, ...args]),
    ],
    signal,
  );
}

export async function present(
  store: RedisStore,
  ids: readonly SessionId[],
  signal: AbortSignal,
): Promise<Link[]> {
  store.check(signal);
  const wanted = [...new Set(ids)];
  if (wanted.length === 0) return [];
  const processes = (await store.send(
    'present',
    ['ZRANGEBYSCORE', store.keys.processes, '-inf', '+inf'],
    signal,
  )) as string[];
  const commands = processes.map((process) => ['HMGET', store.keys.process(process), ...wanted]);
  const answers = (await store.sendAll('present', commands, signal)) as (string | null)[][];
  return answers.flatMap((answer, n) =>
    answer.flatMap((text, at) =>
      text === null ? [] : linksOf(text, wanted[at] as SessionId, processes[n] ?? ''),
    ),
  );
}

function linksOf(text: string, id: SessionId, process: string): Link[] {
  const own = JSON.parse(text) as Pick<Link, 'since' | 'detail'>[];
  return own.map(({ since, detail }) => ({ id, process, since, detail }));
}
