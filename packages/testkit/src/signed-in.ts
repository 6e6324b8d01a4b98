import type { ClientInfo, HeaderField, Service, SessionId, VisitRequest } from '@sessionkit/session-core';

/** A session for a test, and how a client shows it. */
export interface SignedIn {
  readonly id: SessionId;
  /** To be sent with each request: `cookie`, or `authorization`. */
  readonly headers: Readonly<Record<string, string>>;
  /** To be put behind the `?` of each URL; `''` unless the token travels there. */
  readonly query: string;
}

export interface SignedInOptions {
  /** Where the login happens: a path whose rule knows sessions. Default `/`. */
  readonly path?: string | undefined;
  /** What operators and the user see of the client. */
  readonly client?: Partial<ClientInfo> | undefined;
}

/**
 * Logs `user` in without a request: the session is stored in the service's backend, as a login of the application would have stored it. `data` are values to set in it.
 * The token travels as that of new sessions does, by the first transport of the service.
 *
 * @throws SessionError what `login` and `set` throw.
 */
export async function signedIn<Data = unknown, Input = Data>(
  service: Service<Data, Input>,
  user: string,
  data?: Partial<Input> | Readonly<Record<string, unknown>>,
  options?: SignedInOptions,
): Promise<SignedIn>;
export async function signedIn(
  service: Service,
  user: string,
  data: Readonly<Record<string, unknown>> = {},
  options: SignedInOptions = {},
): Promise<SignedIn> {
  const visit = await service.open(requestOf(options));
  try {
    await visit.session.login(user);
    for (const [key, value] of Object.entries(data)) visit.session.set(key, value);
    const fields = await visit.finish({ status: 200, cacheControl: undefined });
    const { id } = visit.session;
    if (id === undefined) throw new Error('a login left no session');
    return { id, ...shown(service, fields) };
  } finally {
    visit.close();
  }
}

function requestOf({ path = '/', client }: SignedInOptions): VisitRequest {
  return {
    method: 'GET',
    path,
    secure: true,
    host: 'localhost',
    upgrade: false,
    untrustedProxy: false,
    header: () => undefined,
    query: () => [],
    client: () => ({ ip: '127.0.0.1', port: 0, cipher: '', userAgent: '', attributes: {}, ...client }),
  };
}

/** What a client makes of the fields that hand it a token. */
function shown({ name, options }: Service, fields: readonly HeaderField[]): Omit<SignedIn, 'id'> {
  const carrier = options.transports?.[0]?.carrier;
  const value = fields.find(([field]) => field.toLowerCase() === carrier?.responseHeader)?.[1];
  if (carrier === undefined || value === undefined)
    throw new Error(`service "${name}" has handed out no token`);
  if (carrier.cookie !== undefined) return { headers: { cookie: value.replace(/;.*$/s, '') }, query: '' };
  if (carrier.requestHeader !== undefined) return { headers: { [carrier.requestHeader]: value }, query: '' };
  return { headers: {}, query: String(new URLSearchParams({ [carrier.query ?? '']: value })) };
}
