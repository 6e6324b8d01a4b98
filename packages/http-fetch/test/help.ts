import { type MemoryBackend, memory } from '@sessionkit/backend-memory';
import {
  createSessionManager,
  processEnvironment,
  type Service,
  type ServiceOptions,
  SessionError,
} from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { onTestFinished } from 'vitest';

export const down = new SessionError('BACKEND_DOWN', 'the store is down', { retryable: true });

export interface World {
  readonly service: Service;
  readonly backend: MemoryBackend;
  readonly log: { readonly message: string; readonly error?: unknown }[];
  readonly environment: typeof processEnvironment;
  /** How many visits are open. */
  open(): number;
}

/** A service on the memory backend with a cookie named `sid`, that creates sessions when something is set. */
export function world(options: ServiceOptions = {}): World {
  const log: World['log'] = [];
  const environment = { ...processEnvironment, log: (entry: World['log'][number]) => void log.push(entry) };
  const backend = memory();
  const manager = createSessionManager({ environment });
  const service = manager.service('app', {
    backend,
    transports: [cookie({ name: 'sid' })],
    autoCreate: 'on_write',
    ...options,
  });
  onTestFinished(() => manager.close());
  const opening = service.open.bind(service);
  let open = 0;
  service.open = async (request) => {
    const visit = await opening(request);
    const close = visit.close.bind(visit);
    let closed = false;
    open++;
    visit.close = () => {
      if (!closed) open--;
      closed = true;
      close();
    };
    return visit;
  };
  return { service, backend, log, environment, open: () => open };
}

export const get = (path = '/', headers: Record<string, string> = {}, init: RequestInit = {}) =>
  new Request(`http://shop.example${path}`, { ...init, headers });

/** The cookie of the session that an answer hands out. */
export function cookieOf(response: Response): string {
  const own = response.headers.getSetCookie().find((value) => value.startsWith('sid='));
  if (own === undefined) throw new Error('no session cookie');
  return own.split(';', 1)[0] ?? '';
}
