import cluster from 'node:cluster';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { request } from './harness.js';

afterEach(() => {
  vi.unstubAllEnvs();
  Object.assign(cluster, { isWorker: false });
});

/** The packages as a process loads them that has NODE_ENV so. */
async function load(nodeEnv: string) {
  vi.resetModules();
  Reflect.deleteProperty(globalThis, Symbol.for('sessionkit.hints'));
  vi.stubEnv('NODE_ENV', nodeEnv);
  const [core, { memory }, { cookie }, { testEnvironment }] = await Promise.all([
    import('@sessionkit/session-core'),
    import('@sessionkit/backend-memory'),
    import('@sessionkit/transport-cookie'),
    import('@sessionkit/testkit'),
  ]);
  const environment = testEnvironment();
  const manager = core.createSessionManager({ environment });
  const backend = () => memory({ now: environment.now });
  type Options = NonNullable<Parameters<typeof manager.service>[1]>;
  let made = 0;
  const service = (options: Options = {}) =>
    manager.service(`shop${++made}`, {
      backend: backend(),
      transports: [cookie()],
      autoCreate: true,
      ...options,
    });
  const said = () =>
    environment.entries.filter(({ message }) => message.startsWith('hint: ')).map(({ message }) => message);
  return { ...core, cookie, environment, manager, backend, service, said };
}

type Loaded = Awaited<ReturnType<typeof load>>;
const head = { status: 200, cacheControl: undefined };

/** How each is tripped on, and what is said. */
const STUMBLES: Readonly<
  Record<string, readonly [trip: (loaded: Loaded) => Promise<unknown>, says: string]>
> = {
  'a change after the head without a commit': [
    async ({ service }) => {
      const visit = await service().open(request());
      await visit.finish(head);
      visit.session.set('n', 1);
      visit.close();
    },
    'a session was changed after the head of its answer (or the 101 of its socket) had gone out, and the change was never stored: call `await session.commit()` after it',
  ],
  'a Secure cookie over http': [
    async ({ service, cookie }) => {
      const visit = await service({ transports: [cookie({ options: { secure: true } })] }).open(request());
      await visit.finish(head);
    },
    "a cookie with Secure was sent over http to shop.example, and browsers drop it: use https; or, if a proxy in front of this server does, name the proxy in trustProxy (YAML: trust_proxy); or leave out of the cookie what asks for Secure (secure: true, sameSite: 'none', partitioned, a prefix)",
  ],
  'a proxy that is not trusted': [
    ({ service }) => service().open(request({ untrustedProxy: true, ip: '10.0.0.7' })),
    '10.0.0.7 forwards requests for others but is not trusted, so they are not limited by client address, and what it says of their address, host and scheme is not believed; name it in trust_proxy, such as trust_proxy: ["10.0.0.7"] (in code trustProxy: [\'10.0.0.7\'])',
  ],
  'a fetch to another origin without credentials': [
    ({ service }) =>
      service({ allowOrigins: ['https://app.example'] }).open(
        request({ headers: { origin: 'https://app.example', 'sec-fetch-site': 'cross-site' } }),
      ),
    "https://app.example, which allowOrigins names, sent a request without any cookie: to another origin fetch sends them only with credentials: 'include', and browsers only those with sameSite: 'none'",
  ],
  'several processes with sessions in memory, by node:cluster': [
    async ({ service }) => {
      Object.assign(cluster, { isWorker: true });
      service();
    },
    "the backend memory keeps sessions in this process, and it is one of several (node:cluster or pm2), which do not know each other's: use a backend that they share, such as redis",
  ],
  'several processes with sessions in memory, by pm2': [
    async ({ service }) => {
      vi.stubEnv('NODE_APP_INSTANCE', '1');
      service();
    },
    "the backend memory keeps sessions in this process, and it is one of several (node:cluster or pm2), which do not know each other's: use a backend that they share, such as redis",
  ],
  'sessions before static files': [
    async ({ service }) => (await service().open(request({ path: '/app/main.CSS' }))).finish(head),
    "a session was created for /app/main.CSS: serve files before the session middleware, or set autoCreate to 'on_write'",
  ],
  'a Map as a value': [
    async ({ service }) => (await service().open(request())).session.set('cart', { of: [new Map()] }),
    'session.set("cart", …) was given a Map, of which JSON keeps {}: store plain objects, arrays, strings, numbers, booleans and null, and make the rest of them when you read',
  ],
  'a Date as a value': [
    async ({ service }) => (await service().open(request())).session.set('since', new Date()),
    'session.set("since", …) was given a Date, of which JSON keeps a string: store plain objects, arrays, strings, numbers, booleans and null, and make the rest of them when you read',
  ],
  'an instance of a class as a value': [
    async ({ service }) =>
      (await service().open(request())).session.set(
        'user',
        new (class Account {
          name = 'ann';
        })(),
      ),
    'session.set("user", …) was given an instance of the class Account, of which JSON keeps a plain object without its methods: store plain objects, arrays, strings, numbers, booleans and null, and make the rest of them when you read',
  ],
  'seconds where milliseconds are meant': [
    async ({ service }) => service({ duration: 3600 }),
    'service "shop1": duration is 3600 ms, which is 3.6 s: times in code are in milliseconds; for 3600 seconds write 3600 * 1000',
  ],
};

describe('a hint is given once in a process, and not in production:', () => {
  it.each(Object.entries(STUMBLES))('%s', async (_name, [trip, says]) => {
    const loaded = await load('development');
    await trip(loaded);
    expect(loaded.said()).toEqual([`hint: ${says}`]);
    expect(loaded.environment.entries.at(-1)?.level).toBe('warning');
    await trip(loaded);
    expect(loaded.said()).toHaveLength(1);
    const production = await load('production');
    await trip(production);
    expect(production.environment.entries).toEqual([]);
  });
});

it('SameSite=None without Secure is refused at the start', async () => {
  const { cookie } = await load('development');
  expect(() => cookie({ options: { sameSite: 'none', secure: false } })).toThrow(
    'cookie transport: options.sameSite is none, but a browser refuses SameSite=None without Secure: leave secure out, or use lax',
  );
});

it('nothing is said of what is right', async () => {
  const loaded = await load('development');
  const { service, cookie } = loaded;
  const secured = service({ transports: [cookie({ options: { secure: true } })], duration: 3_600_000 });
  for (const parts of [
    { secure: true },
    { host: 'localhost:8080' },
    { host: '127.0.0.1' },
    { host: '[::1]:1' },
  ])
    await (await secured.open(request(parts))).finish(head);
  const files = service({ autoCreate: 'on_write', allowOrigins: ['https://app.example'] });
  const visit = await files.open(request({ path: '/main.css' }));
  visit.session.set('cart', { of: ['tea', 1, true, null, undefined], deep: Object.create(null) });
  await visit.finish(head);
  visit.session.set('late', 1);
  await visit.session.commit();
  visit.close();
  for (const headers of [
    { origin: 'https://app.example', 'sec-fetch-site': 'cross-site', cookie: 'theme=dark' },
    { origin: 'https://shop.example', 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'cross-site' },
    {},
  ])
    await files.open(request({ headers }));
  // The client went away before the answer: that is no mistake of the application's.
  const gone = await service().open(request());
  gone.session.set('n', 1);
  gone.close();
  expect(loaded.said()).toEqual([]);
});

it('limits tell of a proxy in production, too', async () => {
  const { service, environment } = await load('production');
  const limited = service({ limits: { creations: 10, failedTokens: 10 } });
  await limited.open(request({ untrustedProxy: true, ip: '10.0.0.7' }));
  expect(environment.entries.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^10\.0\.0\.7 forwards requests for others but is not trusted/),
  ]);
});
