import type { ChildProcess } from 'node:child_process';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { nextMessage, startProgram } from '@sessionkit/test-stores/program';
import { type RedisServer, startRedis } from '@sessionkit/test-stores/redis';
import { LONG, print } from '@sessionkit/test-stores/run';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Filled, Order } from './million-process.js';

const READERS = 10;
const COUNT = LONG ? 1_000_000 : 20_000;
const MOST_ABOVE_IDLE = 100;
const MB = 2 ** 20;

interface Page {
  readonly data: readonly { readonly id: string }[];
  readonly links: Readonly<Record<string, string>>;
  readonly meta: { readonly total?: number };
}

let stored: RedisServer;

beforeAll(async () => {
  stored = await startRedis({ args: [] });
}, 300_000);

afterAll(async () => {
  await stored?.stop();
});

describe.each(['memory', 'Redis'])(`${COUNT.toLocaleString('en')} sessions in %s`, (store) => {
  let child: ChildProcess;
  let filled: Filled;
  const figures: string[] = [];

  beforeAll(async () => {
    const url = store === 'memory' ? 'memory' : stored.url;
    child = await startProgram(join(import.meta.dirname, 'million-process.ts'), [url, `${COUNT}`]);
    filled = (await nextMessage(child)) as Filled;
  }, 900_000);

  afterAll(() => {
    child?.kill('SIGKILL');
    print(`${COUNT.toLocaleString('en')} sessions in ${store} over HTTP: ${figures.join(', ')}`);
  });

  async function tell(order: Order): Promise<number> {
    const answer = nextMessage(child);
    child.send(order);
    return (await answer) as number;
  }

  function ask(query: string, collection = '/v1/sessions'): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: filled.port, path: `${collection}?${query}`, agent: false };
      get(options, resolve).on('error', reject);
    });
  }

  async function page(name: string, query: string): Promise<Page> {
    const started = performance.now();
    const response = await ask(query);
    expect(response.statusCode).toBe(200);
    const document = (await json(response)) as Page;
    figures.push(`${name} ${Math.round(performance.now() - started)} ms`);
    return document;
  }

  test.each([
    ['/v1/sessions', '"type":"sessions"'],
    ['/sessions', '"service":"/services/'],
  ])(
    'are listed in flat memory, each of them, at %s',
    async (collection, member) => {
      const row = Buffer.from(member);
      const idle = await tell('idle');
      const started = performance.now();
      const response = await ask('pretty=false', collection);
      let [rows, bytes, rest] = [0, 0, Buffer.alloc(0)];
      for await (const chunk of response) {
        bytes += chunk.length;
        const text = Buffer.concat([rest, chunk]);
        let at = text.indexOf(row);
        let end = 0;
        for (; at >= 0; at = text.indexOf(row, end)) {
          rows++;
          end = at + row.length;
        }
        rest = text.subarray(Math.max(end, text.length - row.length + 1));
      }
      const seconds = (performance.now() - started) / 1000;
      const above = ((await tell('peak')) - idle) / MB;
      figures.push(
        `all of ${collection} ${(bytes / MB).toFixed(0)} MB in ${seconds.toFixed(1)} s with ${above.toFixed(0)} MB above the idle ${(idle / MB).toFixed(0)}`,
      );
      expect(rows).toBe(COUNT);
      expect(above).toBeLessThan(MOST_ABOVE_IDLE);
    },
    600_000,
  );

  test('are paged: the first, the middle and the last page', async () => {
    const [, middle, last] = filled.marks;
    const first = await page('first page', 'page[size]=50');
    expect([first.data.length, first.meta.total]).toEqual([50, COUNT]);
    expect(first.data[0]?.id).toBe(filled.marks[0]);
    const between = await page('middle', `page[size]=50&page[after]=${middle}`);
    expect(between.data).toHaveLength(50);
    expect(between.links.next).toContain('page%5Bafter%5D=');
    const end = await page('last', `page[size]=50&filter[id]=ge("${last}")&page[after]=${middle}`);
    expect([end.data.map(({ id }) => id), end.links.next]).toEqual([[last], undefined]);
    const numbered = await page('number 199', 'page[size]=50&page[number]=199');
    expect([numbered.data.length, numbered.meta.total]).toEqual([50, COUNT]);
  }, 600_000);

  test('are filtered, by what the store knows and by what it does not', async () => {
    const idle = await tell('idle');
    const user = `user-${Math.floor(COUNT / 20)}`;
    const own = await page('of a user', `page[size]=50&filter=/attributes/user="${user}"`);
    expect([own.data.length, own.meta.total]).toEqual([10, 10]);
    const service = await page(
      'of a service',
      'page[size]=50&filter=/relationships/services/data/0/id="shop"',
    );
    expect([service.data.length, service.meta.total]).toEqual([50, COUNT]);
    const port = await page('by port', 'page[size]=50&filter=/attributes/port=2000');
    expect([port.data.length, port.meta.total]).toEqual([
      Math.ceil(COUNT / 50_000),
      Math.ceil(COUNT / 50_000),
    ]);
    const above = ((await tell('peak')) - idle) / MB;
    figures.push(`filtered with ${above.toFixed(0)} MB above`);
    expect(above).toBeLessThan(MOST_ABOVE_IDLE);
  }, 600_000);

  test.each([
    ['a list', 'pretty=false'],
    // In the memory of the process 20,000 are looked at before anything else has its turn.
    ...(LONG || store !== 'memory' ? [['a search that finds nothing', 'filter=/attributes/port=7']] : []),
  ])(
    'are asked for no more when the reader of %s goes',
    async (_name, query) => {
      const before = await tell('calls');
      // Many at a time, so that most are under way when it is heard that their readers have gone.
      const leave = async () => {
        const response = await ask(query);
        response.once('data', () => undefined);
        if (query.startsWith('pretty')) await new Promise((resolve) => response.once('data', resolve));
        response.destroy();
      };
      await Promise.all(Array.from({ length: READERS }, leave));
      // On a busy machine it takes a moment until the other process has heard of it.
      let after = await tell('calls');
      for (let seen = -1; seen !== after; ) {
        seen = after;
        await pause(300);
        after = await tell('calls');
      }
      expect(after - before).toBeLessThan((READERS * COUNT) / 500);
    },
    60_000,
  );
});
