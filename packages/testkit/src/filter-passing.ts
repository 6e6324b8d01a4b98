import assert from 'node:assert/strict';
import type { Exchange } from '@sessionkit/session-core';
import { type FilterCase, KEPT, pause } from './filter-kit.js';
import { FilterRig, until } from './filter-rig.js';

const BYTES = Buffer.from(Array.from({ length: 1_024 }, (_, i) => i % 256));

type Writing = (exchange: Exchange) => unknown;

/** Answers of every shape that node writes, by the path that gets them. */
const ANSWERS: Readonly<Record<string, Writing>> = {
  '/nothing': ({ response }) => response.writeHead(204).end(),
  '/text': ({ response }) =>
    response
      .writeHead(200, 'Fine', [
        'X-CaMeL',
        'é',
        'Set-Cookie',
        'a=1; Path=/',
        'set-cookie',
        'b=2',
        'Content-Length',
        '4',
      ])
      .end('text'),
  '/set': ({ response }) => {
    response.statusCode = 404;
    response.statusMessage = 'Not Here';
    response.setHeader('X-List', ['1', '2']);
    response.end('gone', 'latin1', () => {});
  },
  '/binary': ({ response }) => {
    response.writeHead(200, { 'Content-Type': 'application/octet-stream', Trailer: 'X-Sum' });
    response.write(BYTES.subarray(0, 3));
    response.write(BYTES.toString('latin1'), 'latin1');
    response.write('68c3a9', 'hex');
    response.addTrailers({ 'X-Sum': '1' });
    response.end(BYTES);
  },
  '/kept': ({ response }) => response.writeHead(200, { ...KEPT, ETag: '"1"' }).end(BYTES),
  '/unchanged': ({ response }) => response.writeHead(304, { ETag: '"1"' }).end(),
  '/hints': async ({ response }) => {
    await new Promise<void>((resolve) =>
      response.writeEarlyHints({ link: '</a.css>; rel=preload' }, resolve),
    );
    response.end('after hints');
  },
  '/implicit': ({ response }) => {
    response.write('a');
    response.end();
  },
};

/** The head and the body of an upload, as the origin saw it. */
async function seenBy({ request }: Exchange): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { method, url, rawHeaders, httpVersion } = request;
  return JSON.stringify([method, url, httpVersion, rawHeaders, Buffer.concat(chunks).toString('latin1')]);
}

const REQUESTS = [
  'GET /a%20b/../c?x=1&x=2&y HTTP/1.1\r\nX-CaMeL: 1\r\nX-CaMeL: 2\r\nCookie: a=1\r\nConnection: close',
  'OPTIONS * HTTP/1.1\r\nConnection: close',
  'DELETE /thing HTTP/1.1\r\nIf-Match: "x"\r\nConnection: close',
  'POST /upload HTTP/1.1\r\nContent-Length: 5\r\nConnection: close\r\n\r\n\u0000\u0001é\u00ffz',
  'PUT /chunks HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0',
];

export const passingCases: readonly FilterCase[] = [
  {
    name: 'a request comes out of it as it went in: method, target, fields and body',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        const client = await rig.client();
        const seen: string[] = [];
        rig.origin = async (exchange) => {
          seen.push(await seenBy(exchange));
          exchange.response.end();
        };
        for (const head of REQUESTS) {
          for (const through of ['nothing', 'filter'] as const) {
            await rig.begin(client, head, through).whole();
          }
          assert.equal(seen.length, 2, `a request did not come through: ${head}`);
          const [without, withIt] = seen.splice(0);
          assert.equal(withIt, without);
        }
      }),
  },
  {
    name: 'an answer goes out byte for byte as it does without it',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        const client = await rig.client();
        rig.origin = (exchange) => ANSWERS[exchange.request.url ?? '']?.(exchange);
        for (const path of Object.keys(ANSWERS)) {
          for (const method of ['HEAD', 'GET']) {
            for (const version of ['1.1', '1.0']) {
              if (version === '1.0' && path === '/hints') continue;
              const head = `${method} ${path} HTTP/${version}\r\nConnection: close`;
              const without = await rig.begin(client, head, 'nothing').whole();
              // A kept answer is one that it need not change, when it comes for the first time.
              const fresh = path === '/kept' ? await rig.client() : client;
              assert.equal(await rig.begin(fresh, head).whole(), without, head);
            }
          }
        }
      }),
  },
  {
    name: 'each request is passed on once, or answered and not passed on',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        const client = await rig.client();
        rig.origin = ({ request, response }) => response.writeHead(200, KEPT).end(request.url);
        for (let i = 0; i < 30; i++) {
          const { status, body } = await rig.send(client, `/${i % 10}`);
          assert.ok(status >= 200 && status < 600);
          if (status === 200) assert.equal(body.toString(), `/${i % 10}`);
        }
        await rig.quiet();
        assert.deepEqual(rig.watched.wrongs, []);
        assert.equal(rig.watched.passed + rig.watched.answered, 30);
        assert.ok(rig.watched.passed >= 10, 'requests that it had no reason to answer did not come through');
      }),
  },
  {
    name: 'it is done with a request when the answer is over, and not before',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        const client = await rig.client();
        rig.origin = async ({ response }) => {
          response.write('begun');
          await pause(30);
          response.end();
        };
        await rig.send(client, '/');
        await rig.quiet();
        assert.deepEqual(rig.watched.wrongs, []);
      }),
  },
  {
    name: 'a fault of what comes after it goes through, the same one',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        const client = await rig.client();
        const fault = new Error('of the origin');
        rig.origin = () => Promise.reject(fault);
        const { status } = await rig.send(client, '/');
        assert.equal(status, 500);
        assert.equal(rig.faults.length, 1);
        assert.equal(rig.faults[0], fault);
        rig.origin = ({ response }) => response.end('well again');
        assert.equal((await rig.send(client, '/')).body.toString(), 'well again');
      }),
  },
  {
    name: 'the head, and each part of an answer, reaches the client before the next one is written',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        const client = await rig.client();
        let write: (text: string) => void = () => {};
        let end = () => {};
        rig.origin = ({ response }) => {
          response.writeHead(200, { ...KEPT, 'X-Head': 'is there' });
          response.flushHeaders();
          write = (text) => response.write(text);
          end = () => response.end();
        };
        const wire = rig.begin(client, 'GET / HTTP/1.1\r\nConnection: close');
        await wire.sees('X-Head: is there');
        for (const part of ['first part', 'second part', 'third part']) {
          write(part);
          await wire.sees(part);
        }
        end();
        await wire.whole();
      }),
  },
  {
    name: 'each part of an upload reaches what comes after it before the next one is sent',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        const client = await rig.client();
        let got = '';
        rig.origin = async ({ request, response }) => {
          for await (const chunk of request) got += String(chunk);
          response.end('taken');
        };
        const wire = rig.begin(client, 'POST / HTTP/1.1\r\nContent-Length: 10\r\nConnection: close');
        for (const part of ['first', 'again']) {
          wire.socket.write(part);
          await until(`"${part}" behind the filter`, () => got.endsWith(part));
        }
        assert.match(await wire.whole(), /taken/);
      }),
  },
  {
    name: 'a client that does not read holds back who writes, and reading lets it go on',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        const client = await rig.client();
        let told: boolean | undefined;
        let drained = false;
        rig.origin = ({ response }) => {
          response.once('drain', () => {
            drained = true;
            response.end();
          });
          const chunk = Buffer.alloc(262_144);
          for (let i = 0; i < 64 && told !== false; i++) told = response.write(chunk);
        };
        const wire = rig.begin(client, 'GET / HTTP/1.1\r\nConnection: close');
        wire.socket.pause();
        await until('an answer to write', () => told !== undefined);
        assert.equal(told, false, 'nobody was told to wait');
        wire.socket.resume();
        await until('drain', () => drained);
        await wire.whole();
      }),
  },
  {
    name: 'an answer that is cut is cut for the client, too, and the next request is served',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        const client = await rig.client();
        for (const length of [undefined, '1000']) {
          rig.origin = ({ response }) => {
            response.writeHead(200, { ...KEPT, ...(length && { 'Content-Length': length }) });
            response.write('a part', () => response.destroy());
          };
          await assert.rejects(rig.send(client, '/cut'), 'a cut answer was taken for a whole one');
          await rig.quiet();
        }
        rig.origin = ({ response }) => response.end('whole');
        assert.equal((await rig.send(client, '/cut')).body.toString(), 'whole');
        assert.deepEqual(rig.watched.wrongs, []);
      }),
  },
  {
    name: 'a client that goes leaves no request behind, and the next one is served',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        const client = await rig.client();
        let begun = 0;
        rig.origin = ({ response }) => {
          begun += 1;
          response.writeHead(200, KEPT);
          response.write('a part');
        };
        for (let i = 0; i < 60; i++) {
          const wire = rig.begin(client, 'GET /gone HTTP/1.1');
          await until('the request', () => begun === i + 1);
          wire.socket.destroy();
        }
        await rig.quiet();
        assert.deepEqual(rig.faults, []);
        rig.origin = ({ response }) => response.end('whole');
        assert.equal((await rig.send(client, '/gone')).body.toString(), 'whole');
      }),
  },
  {
    name: 'requests that one session sends at a time get each its own answer',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        const client = await rig.client();
        rig.origin = async ({ request, response }) => {
          const number = Number(request.url?.slice(1));
          await pause((number * 7) % 20);
          response.writeHead(200, KEPT).end(request.url);
        };
        const paths = Array.from({ length: 20 }, (_, i) => `/${i}`);
        const answers = await Promise.all(paths.map((path) => rig.send(client, path)));
        assert.deepEqual(
          answers.map(({ body }) => body.toString()),
          paths,
        );
      }),
  },
];
