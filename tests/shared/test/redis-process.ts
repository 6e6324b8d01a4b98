import { redis } from '@sessionkit/backend-redis';
import { createSessionManager, type Session, type VisitRequest } from '@sessionkit/session-core';
import { token } from '@sessionkit/transport-token';
import { Redis } from 'ioredis';

/** What the test asks this process to do: a visit with this token, and one thing in it. */
export interface Order {
  readonly token?: string;
  readonly login?: string;
  readonly add?: string;
  readonly logout?: boolean;
  readonly hold?: boolean;
  /** Ends the user's other sessions. */
  readonly others?: boolean;
}

export interface Told {
  readonly pid: number;
  readonly id: string | undefined;
  readonly user: string | undefined;
  readonly data: unknown;
  readonly token: string | undefined;
  /** Why the visit was refused. */
  readonly refusal: string | undefined;
  /** The cause for which the session ended while it was held. */
  readonly ended?: string;
  /** Ids of the user's sessions, after all that. */
  readonly own?: readonly string[];
}

const [url = ''] = process.argv.slice(2);
const client = new Redis(url, {
  autoResendUnfulfilledCommands: false,
  enableOfflineQueue: false,
  lazyConnect: true,
});
await client.connect();
const manager = createSessionManager();
const service = manager.service('shop', { transports: [token()], autoCreate: true, backend: redis(client) });

function request(given: string | undefined): VisitRequest {
  return {
    method: 'GET',
    path: '/',
    secure: false,
    host: 'shop.example',
    upgrade: false,
    untrustedProxy: false,
    header: () => undefined,
    query: () => (given === undefined ? [] : [given]),
    client: () => ({ ip: '127.0.0.1', port: 1, cipher: '', userAgent: 'test', attributes: {} }),
  };
}

async function obey(order: Order): Promise<Told> {
  const visit = await service.open(request(order.token));
  const { session } = visit;
  if (visit.refusal !== undefined) {
    visit.close();
    return {
      pid: process.pid,
      id: undefined,
      user: undefined,
      data: undefined,
      token: undefined,
      refusal: visit.refusal.code,
    };
  }
  const held = order.hold ? ending(session) : undefined;
  if (order.hold) process.send?.('held');
  if (order.login !== undefined) await session.login(order.login);
  if (order.add !== undefined) {
    const { add } = order;
    session.update('list', (list) => [...(Array.isArray(list) ? list : []), add]);
  }
  if (order.others) await session.endOthers();
  if (order.logout) await session.logout();
  const own = order.others ? (await session.sessions()).map(({ id }) => id) : undefined;
  const fields = visit.pending ? await visit.finish({ status: 200, cacheControl: undefined }) : visit.headers;
  const ended = await held;
  const told: Told = {
    pid: process.pid,
    id: session.id,
    user: session.user,
    data: order.logout || held ? undefined : session.get('list'),
    token: fields.find(([name]) => name.toLowerCase() === 'session-token')?.[1],
    refusal: undefined,
    ...(ended === undefined ? {} : { ended }),
    ...(own === undefined ? {} : { own }),
  };
  visit.close();
  return told;
}

function ending(session: Session): Promise<string> {
  return new Promise((resolve) => {
    session.signal.addEventListener('abort', () => resolve(String(session.signal.reason.endCause)));
  });
}

process.on('message', (order: Order) => {
  obey(order).then(
    (told) => process.send?.(told),
    (error: unknown) => process.send?.({ refusal: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
