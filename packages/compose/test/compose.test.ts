import {
  type Environment,
  type Filter,
  processEnvironment,
  type Router,
  type RouterContext,
} from '@sessionkit/session-core';
import { describe, expect, it } from 'vitest';
import { type Composition, compose } from '../src/index.js';
import { read } from './reading.js';
import { answerTo, request, visitTwice } from './visits.js';

/** What the router of `modules/answer.mjs` shows of itself. */
type Answer = Router & { readonly context: RouterContext; readonly closed: number };

async function start(text: string, options?: Parameters<typeof compose>[1]): Promise<Composition> {
  const { config, error } = await read('good/inline.yaml', text);
  if (config === undefined) throw error;
  return compose(config, options);
}

const log = () => (globalThis as { shelfLog?: string[] }).shelfLog;
const answer = 'type: ../modules/answer.mjs';
const shelf = `
session:
  transport: { type: bearer }
  backend: { type: ../modules/shelf.mjs, resource: store }
resources:
  store: { _class: ../modules/shelf-resource.mjs }
`;

describe('compose', () => {
  it('hands the manager what is to be kept of what sessions do, asked anew with every request', async () => {
    let statements = 0;
    const asked: string[] = [];
    const kept = (service: string) => {
      asked.push(service);
      return { statements, lines: 0 };
    };
    const text =
      'session: { auto_create: true, transport: { type: bearer }, backend: { type: memory } }\nservices: { shop: {} }';
    const composition = await start(text, { kept });
    const service = composition.services.get('shop')?.service;
    if (service === undefined) throw new Error('no service');
    const visit = await service.open(request());
    await visit.finish({ status: 200, cacheControl: undefined });
    expect(service.note(visit, 'GET /')).toBeUndefined();
    statements = 2;
    expect(service.note(visit, 'GET /')).toBeDefined();
    expect(asked).toEqual(['shop', 'shop']);
    visit.close();
    await composition.close();
  });

  it('gives routers their servers in the order of their section, and the carriers of all services', async () => {
    const composition = await start(
      `
session:
  transport: { type: cookie, cookie_name: sid }
  backend: { type: memory }
servers:
  one: { url: "http://127.0.0.1:9001", steer: true }
  two: { url: "https://[::1]:9002/" }
services:
  shop: { router: { ${answer}, servers: [two, one] } }
  blog:
    session: { transport: [{ type: bearer }, { type: token, param: key }] }
    router: { ${answer} }
  status: { session: false, router: { ${answer}, servers: [one] } }
`,
      { isAdminCredential: (value) => value === 'Basic x' },
    );
    const router = (name: string) => composition.services.get(name)?.router as Answer;
    const one = { name: 'one', url: 'http://127.0.0.1:9001', steer: true };
    const two = { name: 'two', url: 'https://[::1]:9002', steer: false };
    expect(router('shop').context.servers).toEqual([two, one]);
    expect(router('blog').context.servers).toEqual([one, two]);
    const { carriers, service, environment } = router('status').context;
    expect(service).toBe('status');
    expect(environment).toBe(composition.manager.environment);
    expect(environment.now).toBe(processEnvironment.now);
    expect(carriers).toMatchObject({ cookies: ['sid'], queries: ['key'], bearer: true });
    expect([carriers.isAdminCredential('Basic x'), carriers.isAdminCredential('Basic y')]).toEqual([
      true,
      false,
    ]);
    await composition.close();
    expect([...composition.services.keys()].map((name) => router(name).closed)).toEqual([1, 1, 1]);
  });

  it('a service without a session takes no token and stores nothing', async () => {
    const composition = await start('services: { shop: {} }');
    const service = composition.services.get('shop')?.service;
    expect(service?.options.backend).toBeUndefined();
    expect(composition.services.get('shop')?.router).toBeUndefined();
    expect(await composition.manager.health()).toEqual([]);
    await composition.close();
  });

  it('services whose backend sections mean the same share one backend, others do not', async () => {
    const composition = await start(`
session:
  transport: { type: bearer }
  backend: { type: memory, max_sessions: 9 }
services:
  shop: {}
  blog: { session: { backend: { max_sessions: 9, type: memory } } }
  other: { session: { backend: { type: memory } } }
`);
    const backend = (name: string) => composition.services.get(name)?.service.options.backend;
    expect(backend('shop')).toBe(backend('blog'));
    expect(backend('shop')).not.toBe(backend('other'));
    expect((await composition.manager.health()).map(({ services }) => services)).toEqual([
      ['shop', 'blog'],
      ['other'],
    ]);
    await composition.close();
  });

  it('sessions of a share group are one, and those of two services are not', async () => {
    const composition = await start(`
session: { transport: { type: bearer }, backend: { type: memory }, share: main }
services: { shop: {}, blog: {}, other: { session: { share: else } } }
`);
    const shop = composition.services.get('shop')?.service;
    if (shop === undefined) throw new Error('no service');
    const { fields } = await visitTwice(shop, '');
    const authorization = fields.find(([name]) => name.toLowerCase() === 'authorization')?.[1];
    const users = await Promise.all(
      ['blog', 'other'].map(async (name) => {
        const service = composition.services.get(name)?.service;
        const visit = await service?.open(request({ headers: { authorization: authorization ?? '' } }));
        visit?.close();
        return visit?.session.user;
      }),
    );
    expect(users).toEqual(['ann', undefined]);
    await composition.close();
  });

  it('makes a resource once, before its backend, and closes in the other order, once', async () => {
    const composition = await start(`${shelf}services: { shop: {}, blog: {} }`);
    expect(log()).toEqual(['resource made', 'backend made at session.backend']);
    await Promise.all([composition.close(), composition.close()]);
    expect(
      log()
        ?.slice(2)
        .filter((line) => line === 'resource closed'),
    ).toHaveLength(1);
    expect(log()?.at(-1)).toBe('resource closed');
    expect(log()?.[2]).toBe('backend closed');
  });

  it('an option that the backend cannot do is refused with its path, for all services at once, and nothing stays open', async () => {
    const starting = start(`${shelf}services:
  shop: { session: { max_per_user: { max: 2, full: oldest } } }
  blog: { session: { max_per_user: { max: 1, full: refuse } } }
`);
    await expect(starting).rejects.toMatchObject({
      name: 'SessionError',
      code: 'CONFIG_INVALID',
      problems: [{ path: 'services.shop.session' }, { path: 'services.blog.session' }],
    });
    await expect(starting).rejects.toThrow(/needs a backend that counts the sessions of a user/);
    expect(log()?.at(-1)).toBe('resource closed');
  });

  it('a backend that cannot be made tells its path, and what was made before it is closed', async () => {
    const starting = start(
      `${shelf.replace('resource: store', 'resource: store, fail: true')}services: { shop: {} }`,
    );
    await expect(starting).rejects.toThrow('session.backend: the shelf is not level');
    await expect(starting).rejects.toMatchObject({ name: 'SessionError', code: 'CONFIG_INVALID' });
    expect(log()).toEqual(['resource made', 'resource closed']);
  });

  it('the clock of the environment judges the times of the file, which are seconds there', async () => {
    let now = Date.now();
    const environment: Environment = { ...processEnvironment, now: () => now, every: () => () => undefined };
    const composition = await start(
      'session: { duration: 60, transport: { type: bearer }, backend: { type: memory } }\nservices: { shop: {} }',
      { environment },
    );
    const service = composition.services.get('shop')?.service;
    if (service === undefined) throw new Error('no service');
    const { fields } = await visitTwice(service, '');
    const come = async () => (await service.open(request(answerTo(fields, '')))).refusal?.code;
    now += 59_000;
    expect(await come()).toBeUndefined();
    now += 2_000;
    expect(await come()).toBe('session_expired');
    await composition.close();
  });
});

describe('filters', () => {
  const session = 'session: { transport: { type: cookie }, backend: { type: memory } }';
  const marker = 'type: ../modules/marker.mjs';

  type Marker = Filter & { readonly name: string; readonly closed: number; readonly seen: string[] };

  it('are made before the services that name them, can be given to sessions, and are closed once, after the manager', async () => {
    const composition = await start(`
${session}
filters:
  first: { ${marker}, mark: a }
  second: { ${marker}, mark: b }
  spare: { ${marker}, mark: c }
services:
  shop: { filters: [second, first], router: { ${answer} } }
`);
    const { manager } = composition;
    expect([...manager.filters.keys()]).toEqual(['first', 'second', 'spare']);
    expect(manager.services.get('shop')?.options.filters).toEqual(['second', 'first']);
    const [first] = [...manager.filters.values()] as Marker[];
    expect(first?.name).toBe('first');
    await composition.close();
    await composition.close();
    expect([...manager.filters.values()].map((filter) => (filter as Marker).closed)).toEqual([1, 1, 1]);
  });

  it('that cannot be made fail the start, with the place of their section', async () => {
    const started = start(`
${session}
filters: { ink: { ${marker}, mark: broken } }
services: { shop: { router: { ${answer} } } }
`);
    await expect(started).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('filters.ink: there is no ink'),
    });
  });
});
