import { redis } from '@sessionkit/backend-redis';
import {
  createSessionManager,
  type DataOptions,
  type DataSchema,
  type Refusal,
  SessionError,
  type VisitRequest,
} from '@sessionkit/session-core';
import { token } from '@sessionkit/transport-token';
import { Redis } from 'ioredis';

/** What the test asks this process to do in a visit with this token. */
export interface TypedOrder {
  readonly token?: string;
  readonly user?: string;
  readonly set?: Readonly<Record<string, unknown>>;
  /** Look at the data. */
  readonly look?: boolean;
  /** After the changes: say so, and wait for one more order. */
  readonly hold?: boolean;
}

export interface TypedTold {
  readonly token: string | undefined;
  readonly user: string | undefined;
  readonly data: unknown;
  /** The fault inside, and what the client is told of it. */
  readonly fault: string | null;
  readonly message: string | null;
  readonly answered: Pick<Refusal, 'status' | 'code'> | null;
}

const [url = '', version = ''] = process.argv.slice(2);

type Values = Readonly<Record<string, unknown>>;
type Counted = Readonly<{ name: string; count: number }>;

/** The cart of version 1 names each thing as often as it is there, that of version 2 counts. */
const isCart = (cart: unknown): boolean =>
  Array.isArray(cart) &&
  cart.every((one: unknown) => (version === '1' ? typeof one === 'string' : isCounted(one)));

function isCounted(one: unknown): boolean {
  return typeof one === 'object' && one !== null && 'count' in one && typeof one.count === 'number';
}

const schema: DataSchema<Values, Values> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => {
      const data = value as Values;
      if (data.cart === undefined || isCart(data.cart)) return { value: data };
      return { issues: [{ message: 'is no cart', path: ['cart'] }] };
    },
  },
};

function migrate(old: Values, from: number): Values {
  const cart: Counted[] = [];
  for (const name of Array.isArray(old.cart) ? (old.cart as readonly string[]) : []) {
    const at = cart.findIndex((one) => one.name === name);
    const count = (cart[at]?.count ?? 0) + 1;
    cart.splice(at < 0 ? cart.length : at, 1, { name, count });
  }
  return { ...old, cart, migratedFrom: from };
}

const data: DataOptions | undefined =
  version === '0' ? undefined : version === '1' ? { schema } : { schema, version: 2, migrate };

const client = new Redis(url, {
  autoResendUnfulfilledCommands: false,
  enableOfflineQueue: false,
  lazyConnect: true,
});
await client.connect();
const manager = createSessionManager();
const service = manager.service('shop', {
  transports: [token()],
  autoCreate: true,
  backend: redis(client),
  data,
});

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

let goOn: (() => void) | undefined;

async function obey(order: TypedOrder): Promise<TypedTold> {
  const visit = await service.open(request(order.token));
  const { session } = visit;
  const told: TypedTold = {
    token: undefined,
    user: session.user,
    data: undefined,
    fault: null,
    message: null,
    answered: visit.refusal ?? null,
  };
  try {
    if (order.user !== undefined) await session.login(order.user);
    for (const [key, value] of Object.entries(order.set ?? {})) session.set(key, value);
    if (order.hold) {
      process.send?.('held');
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
    }
    const seen = order.look ? session.all() : undefined;
    const fields = visit.pending
      ? await visit.finish({ status: 200, cacheControl: undefined })
      : visit.headers;
    const issued = fields.find(([name]) => name.toLowerCase() === 'session-token')?.[1];
    return { ...told, token: issued, user: session.user, data: seen };
  } catch (fault) {
    if (!(fault instanceof SessionError)) throw fault;
    const refusal = visit.refuse(fault);
    const answered = refusal ? { status: refusal.status, code: refusal.code } : null;
    return { ...told, fault: fault.code, message: fault.message, answered };
  } finally {
    visit.close();
  }
}

process.on('message', (order: TypedOrder | 'go on') => {
  if (order === 'go on') {
    goOn?.();
    return;
  }
  obey(order).then(
    (told) => process.send?.(told),
    (error: unknown) => process.send?.({ fault: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
