import http, { type ServerResponse } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sessionHandler } from '../src/index.js';
import { ask, cookieOf, down, raw, serve, settle, world } from './help.js';

const HEADS: Readonly<Record<string, (response: ServerResponse) => void>> = {
  'a body at the end': (r) => void r.end('text'),
  nothing: (r) => void r.end(),
  'a status by hand': (r) => {
    r.statusCode = 418;
    r.statusMessage = 'Short and stout';
    r.end('tea');
  },
  'writeHead alone': (r) => void r.writeHead(202).end('text'),
  'writeHead with a phrase': (r) => void r.writeHead(202, 'Later').end('text'),
  'writeHead with an object': (r) => void r.writeHead(200, { 'X-A': '1', 'x-b': ['2', '3'] }).end('text'),
  'writeHead with a phrase and an object': (r) => void r.writeHead(200, 'Yes', { 'X-A': 1 }).end('text'),
  'writeHead with a flat list': (r) => void r.writeHead(200, ['X-A', '1', 'X-A', '2']).end('text'),
  'writeHead over setHeader': (r) => {
    r.setHeader('X-A', 'old');
    r.setHeader('X-C', 'kept');
    r.writeHead(200, { 'x-a': 'new' });
    r.end('text');
  },
  'a length by hand': (r) => void r.writeHead(200, { 'Content-Length': 4 }).end('text'),
  'parts with callbacks': (r) => {
    r.write('one', () => r.write('two', 'latin1', () => r.end('three', () => {})));
  },
  'bytes and encodings': (r) => {
    r.write(Buffer.from('é'));
    r.write('e9', 'hex');
    r.end('é', 'latin1');
  },
  trailers: (r) => {
    r.writeHead(200, { trailer: 'X-Sum' });
    r.write('text');
    r.addTrailers({ 'X-Sum': '42' });
    r.end();
  },
  '204': (r) => void r.writeHead(204).end(),
  '304': (r) => void r.writeHead(304, { etag: '"1"' }).end(),
  'an early flush': (r) => {
    r.setHeader('x-a', '1');
    r.flushHeaders();
    r.end('text');
  },
  'Connection: close': (r) => void r.writeHead(200, { connection: 'close' }).end('text'),
  hints: (r) => {
    r.writeProcessing();
    r.writeEarlyHints({ link: '</a.css>; rel=preload' });
    r.end('text');
  },
};

describe('a held answer', () => {
  for (const [name, respond] of Object.entries(HEADS)) {
    it(`is on the wire what node alone makes of it: ${name}`, async () => {
      const w = world();
      const plain = await serve((_request, response) => respond(response));
      let held = false;
      const ours = await serve(
        sessionHandler(w.service, (_request, response, session) => {
          session.set('n', 1);
          held = Object.hasOwn(response, 'write');
          respond(response);
        }),
      );
      const text = (method: string) => `${method} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      const clean = (answer: string) =>
        answer
          .replace(/^Date: .*\r\n/im, '')
          .replace(/^(set-cookie: sid=.*|cache-control: no-store|vary: Cookie)\r\n/gim, '');
      const cookie = cookieOf(await ask(ours.port));
      // An answer to HEAD can have no trailers; node throws.
      for (const method of name === 'trailers' ? ['GET', 'POST'] : ['GET', 'HEAD', 'POST']) {
        const request = text(method).replace('\r\n\r\n', `\r\nCookie: ${cookie}\r\n\r\n`);
        held = false;
        const got = clean(await raw(ours.port, request));
        expect(held).toBe(true);
        expect(got).toBe(clean(await raw(plain.port, text(method))));
      }
    });
  }

  it('says headersSent and writableEnded as node does, and refuses headers after the head', async () => {
    const w = world();
    const seen: unknown[] = [];
    const { port } = await serve(
      sessionHandler(w.service, (_request, response, session) => {
        session.set('n', 1);
        seen.push(response.headersSent, response.writableEnded);
        response.write('a');
        seen.push(response.headersSent, response.writableEnded);
        const code = (what: () => unknown) => {
          try {
            what();
            return 'nothing';
          } catch (error) {
            return (error as { code?: string }).code;
          }
        };
        seen.push(
          code(() => response.setHeader('x-a', '1')),
          code(() => response.writeHead(200)),
        );
        response.statusCode = 500;
        response.end();
        seen.push(response.headersSent, response.writableEnded);
        response.on('finish', () => seen.push(response.headersSent, response.writableEnded));
      }),
    );
    const answer = await ask(port);
    expect([answer.status, answer.body]).toEqual([200, 'a']);
    const sent = 'ERR_HTTP_HEADERS_SENT';
    expect(seen).toEqual([false, false, true, false, sent, sent, true, true, true, true]);
  });

  it('refuses what node refuses, at once and with the codes of node', async () => {
    const attempts: readonly ((response: ServerResponse) => unknown)[] = [
      (r) => r.writeHead(99),
      (r) => r.writeHead(1000),
      (r) => r.writeHead(200, 'a\r\nX-Bad: 1'),
      (r) => r.writeHead(200, { 'x-a': 'b\r\nSet-Cookie: sid=planted' }),
      (r) => r.writeHead(200, ['x-a', 'b\nc']),
      (r) => r.writeHead(200, { 'bad name': '1' }),
      (r) => r.writeHead(200, ['odd']),
      (r) => r.setHeader('x-a', '\u{1f600}'),
      (r) => r.write(null),
      (r) => r.write(42),
      (r) => r.end({}),
    ];
    const codes = (response: ServerResponse) =>
      attempts.map((attempt) => {
        try {
          attempt(response);
          return 'nothing';
        } catch (error) {
          return (error as { code?: string }).code;
        }
      });
    const w = world();
    let held: unknown;
    const { port } = await serve(
      sessionHandler(w.service, (_request, response, session) => {
        session.set('n', 1);
        held = codes(response);
        response.end('fine');
      }),
    );
    const answer = await ask(port);
    expect([answer.status, answer.body]).toEqual([200, 'fine']);
    expect(answer.raw.join()).not.toContain('planted');
    const reply = () => {
      const response = new http.ServerResponse(new http.IncomingMessage(null as never));
      response.setHeader('x-first', '1');
      return response;
    };
    // A fresh response each: without a hold some of these leave it half written.
    const native = attempts.map((attempt) => codes.call(null, reply())[attempts.indexOf(attempt)]);
    expect(held).toEqual(native);
  });
});

describe('a handler', () => {
  it('that only reads leaves the response as it is', async () => {
    const w = world();
    let own: string[] = [];
    const { port } = await serve(
      sessionHandler(w.service, (request, response, session) => {
        if (request.url === '/set') session.set('n', 7);
        else
          own = ['writeHead', 'write', 'end', 'flushHeaders'].filter((name) => Object.hasOwn(response, name));
        response.end(String(session.get('n')));
      }),
    );
    const cookie = cookieOf(await ask(port, '/set'));
    expect((await ask(port, '/', { cookie })).body).toBe('7');
    expect(own).toEqual([]);
    expect(w.backend.loads).toBe(1);
    expect(w.backend.saves).toBe(1);
  });

  it('that throws or rejects is answered with 500, logged, and tells nothing', async () => {
    const w = world();
    const { port } = await serve(
      sessionHandler(
        w.service,
        (request, response) => {
          response.setHeader('content-length', '3');
          response.setHeader('x-app', '1');
          if (request.url?.startsWith('/throw')) throw new Error('secret reason');
          return Promise.reject(new Error('secret reason'));
        },
        { environment: w.environment },
      ),
    );
    for (const path of ['/throw?_token=abc', '/reject']) {
      const answer = await ask(port, path);
      expect(answer.status).toBe(500);
      expect(answer.headers['content-type']).toBe('application/problem+json');
      expect(JSON.parse(answer.body)).toEqual({
        type: 'about:blank',
        title: 'Internal Server Error',
        status: 500,
        detail: 'The request could not be handled.',
      });
      expect(answer.headers).not.toHaveProperty('x-app');
    }
    expect(w.log.map(({ level, message }) => [level, message])).toEqual([
      ['error', 'the handler of GET /throw failed'],
      ['error', 'the handler of GET /reject failed'],
    ]);
  });

  it('that fails after its head has gone out has its connection cut', async () => {
    const w = world();
    const { port } = await serve(
      sessionHandler(
        w.service,
        async (_request, response) => {
          response.write('half');
          await settle(5);
          throw new Error('broken');
        },
        { environment: w.environment },
      ),
    );
    await expect(ask(port)).rejects.toThrow(/aborted|hang up/);
    expect(w.log).toHaveLength(1);
  });

  it('that fails with a fault of the session is answered with what the fault stands for', async () => {
    const w = world();
    const { port } = await serve(
      sessionHandler(
        w.service,
        async (request, response, session) => {
          if (request.url === '/read-only') session.set('__proto__', 1);
          await session.login('alice');
          response.end();
        },
        { environment: w.environment },
      ),
    );
    w.backend.fault = down;
    const answer = await ask(port, '/');
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([503, 'store_unavailable']);
    expect((await ask(port, '/read-only')).status).toBe(500);
  });

  it('whose change fails only when it is stored is answered with 500', async () => {
    const w = world();
    let runs = 0;
    const { port } = await serve(
      sessionHandler(
        w.service,
        (_request, response, session) => {
          session.update('n', () => {
            if (++runs > 1) throw new Error('not twice');
            return runs;
          });
          response.end('fine');
        },
        { environment: w.environment },
      ),
    );
    const answer = await ask(port);
    expect([answer.status, JSON.parse(answer.body).status, w.backend.saves]).toEqual([500, 500, 0]);
    expect(w.log.map(({ message }) => message)).toEqual([
      'the answer was replaced: its changes could not be stored',
    ]);
  });

  it('cannot create a session after its head has gone out', async () => {
    const w = world();
    let code: unknown;
    const { port } = await serve(
      sessionHandler(w.service, (_request, response, session) => {
        response.write('a');
        try {
          session.set('n', 1);
        } catch (error) {
          ({ code } = error as { code: unknown });
        }
        response.end('b');
      }),
    );
    expect((await ask(port)).body).toBe('ab');
    expect(code).toBe('HEADERS_SENT');
    expect(w.backend.saves).toBe(0);
  });

  it.each(['login', 'rotate'] as const)('cannot %s after the head of a reader has gone out', async (verb) => {
    const w = world({ autoCreate: true });
    let code: unknown;
    const { port } = await serve(
      sessionHandler(w.service, async (request, response, session) => {
        response.write('a');
        if (request.url === '/late') {
          await session[verb]('ann').catch((error: { code: unknown }) => {
            code = error.code;
          });
        }
        response.end('b');
      }),
    );
    const first = await ask(port);
    const cookie = String(first.headers['set-cookie']).split(';')[0] ?? '';
    expect((await ask(port, '/late', { cookie })).body).toBe('ab');
    expect(code).toBe('HEADERS_SENT');
    expect(w.backend.saves).toBe(1);
  });

  it('sees parallel requests of one session keep each other’s changes', async () => {
    const w = world();
    const { port } = await serve(
      sessionHandler(w.service, (request, response, session) => {
        const key = request.url?.slice(1) ?? '';
        if (key === 'all') response.end(session.keys().join());
        else {
          session.set(key, 1);
          session.update<number>('sum', (sum = 0) => sum + 1);
          response.end();
        }
      }),
    );
    const cookie = cookieOf(await ask(port, '/first'));
    const agent = new http.Agent({ maxSockets: 20, keepAlive: true });
    onTestFinished(() => agent.destroy());
    await Promise.all(Array.from({ length: 40 }, (_, i) => ask(port, `/k${i}`, { cookie, agent })));
    const keys = (await ask(port, '/all', { cookie })).body.split(',');
    expect(keys).toHaveLength(42);
  });
});
