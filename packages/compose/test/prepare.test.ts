import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Backend, Filter, Router } from '@sessionkit/session-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type CheckedConfig, type Composition, compose } from '../src/index.js';
import { read } from './reading.js';
import { answerTo, request, visitTwice } from './visits.js';

type Answer = Router & { readonly closed: number; readonly config: { readonly text?: string } };
type Marker = Filter & { readonly closed: number };

async function checked(text: string): Promise<CheckedConfig> {
  const { config, error } = await read('good/inline.yaml', text);
  if (config === undefined) throw error;
  return config;
}

async function start(text: string): Promise<Composition> {
  const composition = await compose(await checked(text));
  onTestFinished(() => composition.close());
  return composition;
}

async function become(composition: Composition, text: string) {
  const prepared = await composition.prepare(await checked(text));
  prepared.apply();
  return prepared.changes.map(({ what, path }) => `${path} ${what}`);
}

const turns = async () => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
const log = () => (globalThis as { shelfLog?: string[] }).shelfLog;
const answer = (text: string) => `router: { type: ../modules/answer.mjs, text: ${text} }`;
const memory = 'session: { transport: { type: bearer }, backend: { type: memory } }';
const routerOf = (composition: Composition, name: string) => composition.services.get(name)?.router as Answer;

describe('another configuration', () => {
  it('that says the same, in another order, keeps everything and tells no change', async () => {
    const filters = 'filters: { a: { type: ../modules/marker.mjs, mark: a } }';
    const composition = await start(
      `${memory}\n${filters}\nservices: { shop: { filters: [a], ${answer('one')} } }`,
    );
    const router = routerOf(composition, 'shop');
    const filter = composition.manager.filters.get('a');
    const service = composition.services.get('shop')?.service;
    expect(
      await become(
        composition,
        `services: { shop: { router: { text: one, type: ../modules/answer.mjs }, filters: [a] } }\n${filters}\n${memory}`,
      ),
    ).toEqual([]);
    expect(routerOf(composition, 'shop')).toBe(router);
    expect(composition.manager.filters.get('a')).toBe(filter);
    expect(composition.services.get('shop')?.service).toBe(service);
    await turns();
    expect([router.closed, (filter as Marker).closed]).toEqual([0, 0]);
  });

  it('makes anew what differs, and closes what it was when the visits of before are over', async () => {
    const composition = await start(`${memory}\nfilters: { a: { type: ../modules/marker.mjs, mark: a } }
services: { shop: { filters: [a], ${answer('one')} }, blog: { ${answer('same')} } }`);
    const [router, same] = [routerOf(composition, 'shop'), routerOf(composition, 'blog')];
    const filter = composition.manager.filters.get('a') as Marker;
    const visit = await composition.services.get('shop')?.service.open(request());
    const changes = await become(
      composition,
      `${memory}\nfilters: { a: { type: ../modules/marker.mjs, mark: b } }
services: { shop: { filters: [a], ${answer('two')} }, blog: { ${answer('same')} } }`,
    );
    expect(changes).toEqual(['filters.a changed', 'services.shop changed']);
    expect([routerOf(composition, 'shop').config.text, routerOf(composition, 'blog')]).toEqual(['two', same]);
    await turns();
    expect([router.closed, filter.closed]).toEqual([0, 1]);
    visit?.close();
    await turns();
    expect([router.closed, same.closed]).toEqual([1, 0]);
  });

  it('keeps the sessions of a memory backend, and refuses to lose them', async () => {
    const composition = await start(`${memory}\nservices: { shop: {} }`);
    const service = composition.services.get('shop')?.service;
    if (service === undefined) throw new Error('no service');
    const { fields } = await visitTwice(service, '');
    const user = async () => {
      const visit = await service.open(request(answerTo(fields, '')));
      visit.close();
      return visit.session.user;
    };
    expect(
      await become(
        composition,
        `${memory.replace('{ transport', '{ duration: 60, transport')}\nstore_deadline: 1\nservices: { shop: {} }`,
      ),
    ).toEqual(['services.shop changed', 'store_deadline changed']);
    expect(await user()).toBe('ann');
    const other = `${memory.replace('type: memory', 'type: memory, max_sessions: 7')}\nservices: { shop: {} }`;
    await expect(become(composition, other)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      problems: [{ path: 'services.shop.session.backend' }],
    });
    await expect(become(composition, 'services: { shop: { session: false } }')).rejects.toThrow(
      'would be lost',
    );
    expect(await user()).toBe('ann');
    const [{ id } = { id: undefined }] = (await composition.manager.list()).items;
    if (id !== undefined) await composition.manager.end(id, { name: 'olga' });
    expect(await become(composition, other)).toContain('services.shop changed');
  });

  it('closes a backend and then its resource when no service has them, and makes them anew when one has', async () => {
    const shelf = `session: { transport: { type: bearer }, backend: { type: ../modules/shelf.mjs, resource: store } }
resources: { store: { _class: ../modules/shelf-resource.mjs } }`;
    const composition = await start(
      `${shelf}\nservices: { shop: {}, blog: { session: { backend: { type: memory } } } }`,
    );
    const events = log();
    const backend: Backend | undefined = composition.services.get('shop')?.service.options.backend;
    expect(
      await become(composition, `${shelf}\nservices: { blog: { session: { backend: { type: memory } } } }`),
    ).toEqual(['services.shop removed']);
    await turns();
    expect(events).toEqual([
      'resource made',
      'backend made at session.backend',
      'backend closed',
      'resource closed',
    ]);
    await become(
      composition,
      `${shelf}\nservices: { shop: {}, blog: { session: { backend: { type: memory } } } }`,
    );
    expect(composition.services.get('shop')?.service.options.backend).not.toBe(backend);
  });

  it('keeps a resource open for a backend of an earlier configuration that is still in use', async () => {
    const shelf = (
      more: string,
    ) => `session: { transport: { type: bearer }, backend: { type: ../modules/shelf.mjs, resource: store${more} } }
resources: { store: { _class: ../modules/shelf-resource.mjs } }
services: { keep: { session: { backend: { type: memory } } }`;
    const composition = await start(`${shelf('')}, shop: {} }`);
    const events = log() ?? [];
    const visit = await composition.services.get('shop')?.service.open(request());
    // Of another name, so that it has no sessions to lose.
    await become(composition, `${shelf(', fail: false')}, blog: {} }`);
    await become(composition, `${shelf('')} }`);
    await turns();
    expect(events.filter((event) => event.endsWith('closed'))).toEqual(['backend closed']);
    visit?.close();
    await turns();
    expect(events.slice(-2)).toEqual(['backend closed', 'resource closed']);
  });

  it('that cannot be made, or was given up, leaves nothing open and changes nothing', async () => {
    const composition = await start(`${memory}\nservices: { shop: { ${answer('one')} } }`);
    const router = routerOf(composition, 'shop');
    const shelf = `resources: { store: { _class: ../modules/shelf-resource.mjs } }\n${memory}`;
    const blog = (more: string) =>
      `blog: { session: { backend: { type: ../modules/shelf.mjs, resource: store${more} } } }`;
    await expect(
      become(composition, `${shelf}\nservices: { shop: { ${answer('two')} }, ${blog(', fail: true')} }`),
    ).rejects.toThrow('the shelf is not level');
    expect(log()).toEqual(['resource made', 'resource closed']);
    const prepared = await composition.prepare(
      await checked(`${shelf}\nservices: { shop: { ${answer('two')} }, ${blog('')} }`),
    );
    await prepared.discard();
    expect(log()?.at(-1)).toBe('resource closed');
    expect([...composition.services.keys()]).toEqual(['shop']);
    expect([routerOf(composition, 'shop'), router.closed]).toEqual([router, 0]);
  });

  it('is not closed any more once it counts, whoever gives it up afterwards', async () => {
    const composition = await start(`${memory}\nservices: { shop: { ${answer('one')} } }`);
    const prepared = await composition.prepare(
      await checked(`${memory}\nservices: { shop: { ${answer('two')} } }`),
    );
    prepared.apply();
    await prepared.discard();
    const router = routerOf(composition, 'shop');
    expect([router.config.text, router.closed]).toEqual(['two', 0]);
  });

  it('keeps nothing of those before it', async () => {
    const blog = 'blog: { session: { backend: { type: memory, max_sessions: 9 } } }';
    const composition = await start(`${memory}\nservices: { shop: {}, ${blog} }`);
    const backend = () => composition.services.get('blog')?.service.options.backend as Backend;
    const before = [new WeakRef(backend()), new WeakRef(composition.config)];
    await become(composition, `${memory}\nservices: { shop: {} }`);
    await turns();
    collectGarbage();
    expect(before.map((one) => one.deref() === undefined)).toEqual([true, true]);
  });

  it('tells what is different, place by place', async () => {
    const composition = await start(`${memory}
servers: { a: { url: "http://127.0.0.1:1" } }
services: { shop: { ${answer('one')} }, "a b": {} }
listeners: { public: { service: shop, port: 0 } }
admin: false`);
    const changes = await become(
      composition,
      `${memory.replace('bearer', 'cookie')}
servers: { a: { url: "http://127.0.0.1:2" }, b: { url: "http://127.0.0.1:3" } }
services: { shop: { ${answer('one')} } }
listeners: { inner: { service: shop, port: 0 } }
trust_proxy: [127.0.0.1/32]
drain_timeout: 1
admin: { listen: "127.0.0.1:0" }`,
    );
    expect(changes).toEqual([
      'servers.a changed',
      'servers.b added',
      'services.shop changed',
      'services["a b"] removed',
      'listeners.inner added',
      'listeners.public removed',
      'trust_proxy changed',
      'admin added',
      'drain_timeout changed',
    ]);
  });
});
