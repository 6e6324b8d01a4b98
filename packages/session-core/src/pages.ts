import { type Backend, can } from './backend.js';
import { SessionError } from './errors.js';
import type { SessionId } from './id.js';
import type { Head } from './record.js';
import type { ManagerQuery, SessionInfo } from './service.js';
import type { Store } from './store.js';

interface PageQuery extends ManagerQuery {
  readonly limit: number;
  readonly state: 'alive' | 'ended' | 'any';
}

/**
 * One page over several stores, ascending by id. Of the living: those not ended, some of which may have run out.
 * @throws SessionError `UNSUPPORTED` (a store cannot list), `BACKEND_*`.
 */
export async function pageOf(
  stores: Iterable<Store>,
  { service, user, after, limit, state }: PageQuery,
  describe: (head: Head, store: Store) => SessionInfo,
): Promise<{ items: readonly SessionInfo[]; next: SessionId | undefined }> {
  const asked = { service, user, after, limit, state: state === 'alive' ? ('open' as const) : undefined };
  const pages = await Promise.all(
    [...stores].map(async (store) => {
      const { backend } = store;
      if (!can(backend, 'inspect')) throw cannotList(backend);
      const page = await store.call('list', (signal) => backend.list(asked, signal));
      return { next: page.next, items: page.items.map((head) => describe(head, store)) };
    }),
  );
  const rows = pages.flatMap(({ items }) => items).sort((a, b) => (a.id < b.id ? -1 : 1));
  const items = rows.slice(0, limit);
  const more = rows.length > limit || pages.some(({ next }) => next !== undefined);
  return { items, next: more ? items.at(-1)?.id : undefined };
}

/**
 * How many sessions of a store have not ended.
 * @throws SessionError as {@link pageOf} does.
 */
export async function countOf(
  store: Store,
  { service, user }: Pick<ManagerQuery, 'service' | 'user'>,
): Promise<number> {
  const { backend } = store;
  if (!can(backend, 'inspect')) throw cannotList(backend);
  return store.call('count', (signal) => backend.count({ service, user, state: 'open' }, signal));
}

export function cannotList(backend: Backend): SessionError {
  return new SessionError('UNSUPPORTED', `backend ${backend.type} can't list sessions`);
}
