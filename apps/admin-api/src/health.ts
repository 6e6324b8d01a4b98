import type { Environment, Millis, SessionManager } from '@sessionkit/session-core';

const CLOCK_LIMIT: Millis = 60_000;
const FRESH: Millis = 1_000;

/**
 * Why the process is not ready; empty when it is. Says no more of a store than its type, since anybody may ask. The stores are asked at most once a
 * second, `more` each time.
 */
export function createReadiness(
  manager: SessionManager,
  more: (() => Promise<readonly string[]>) | undefined,
  environment: Environment,
): () => Promise<readonly string[]> {
  let asked: { readonly at: Millis; readonly health: ReturnType<SessionManager['health']> } | undefined;

  function health(): ReturnType<SessionManager['health']> {
    const now = environment.now();
    if (asked === undefined || Math.abs(now - asked.at) >= FRESH)
      asked = { at: now, health: manager.health() };
    return asked.health;
  }

  return async () => {
    try {
      const [stores, others] = await Promise.all([health(), more?.() ?? []]);
      return [...stores.flatMap(reasonsOf), ...others];
    } catch (error) {
      environment.log({ level: 'error', message: 'readiness cannot be told', error });
      return ['The state of the stores cannot be told.'];
    }
  };
}

function reasonsOf(store: Awaited<ReturnType<SessionManager['health']>>[number]): readonly string[] {
  const offset = Math.abs(store.clockOffset ?? 0);
  if (offset > CLOCK_LIMIT) {
    return [
      `store ${store.type}: its clock and that of this process are ${Math.round(offset / 1000)} s apart`,
    ];
  }
  return store.ok ? [] : [`store ${store.type}: does not work`];
}
