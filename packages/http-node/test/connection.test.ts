import http, { type ServerResponse } from 'node:http';
import net from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Service, Visit } from '@sessionkit/session-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { httpSettings, openVisit, sessionHandler } from '../src/index.js';
import { ask, cookieOf, down, raw, serve, settle, world } from './help.js';

/** Counts what becomes of the visits of a service. */
function counted(service: Service) {
  const counts = { opened: 0, closed: 0, visits: [] as Visit[] };
  const open: Service['open'] = async (request) => {
    const visit = await service.open(request);
    counts.opened++;
    counts.visits.push(visit);
    const close = visit.close.bind(visit);
    visit.close = () => {
      counts.closed++;
      close();
    };
    return visit;
  };
  return { counts, service: Object.assign(Object.create(service), { open }) as Service };
}

describe('streams', () => {
  it('hold 50 MB back by backpressure while the store thinks, in flat memory, and lose none of it', async () => {
    const w = world();
    const total = 50 * 1024 * 1024;
    const chunk = Buffer.alloc(64 * 1024, 'x');
    let produced = 0;
    const { port } = await serve(
      sessionHandler(w.service, (request, response, session) => {
        session.update<number>('n', (n = 0) => n + 1);
        if (request.url === '/set') return void response.end();
        const source = new Readable({
          read() {
            produced += chunk.length;
            this.push(produced <= total ? chunk : null);
          },
        });
        return pipeline(source, response);
      }),
    );
    const cookie = cookieOf(await ask(port, '/set'));
    const open = w.backend.shut();
    /** Bytes that exist anywhere between the source and the client: buffers of both sides and the kernel's. */
    let most = 0;
    const got = new Promise<number>((resolve, reject) => {
      const asked = http.get({ host: '127.0.0.1', port, path: '/', headers: { cookie } }, (answer) => {
        let bytes = 0;
        answer.on('data', (part: Buffer) => {
          bytes += part.length;
          most = Math.max(most, produced - bytes);
        });
        answer.on('end', () => resolve(bytes));
        answer.on('error', reject);
      });
      asked.on('error', reject);
    });
    await settle(50);
    expect(produced).toBeLessThan(512 * 1024);
    open();
    expect(await got).toBe(total);
    expect(most).toBeLessThan(8 * 1024 * 1024);
  });

  it('calls every callback of write and end, in order', async () => {
    const w = world();
    const calls: string[] = [];
    const { port } = await serve(
      sessionHandler(w.service, (_request, response, session) => {
        session.set('n', 1);
        calls.push(String(response.write('a', () => calls.push('first'))));
        calls.push(String(response.write('b', 'utf8', () => calls.push('second'))));
        response.end('c', () => calls.push('end'));
      }),
    );
    expect((await ask(port)).body).toBe('abc');
    await settle(5);
    expect(calls).toEqual(['false', 'false', 'first', 'second', 'end']);
  });

  it('are closed when another answer takes their place', async () => {
    const w = world();
    const source = new Readable({ read: () => {} });
    const piped = new Readable({ read: () => {} });
    let outcome: unknown;
    const { port } = await serve(
      sessionHandler(
        w.service,
        async (request, response, session) => {
          session.update<number>('n', (n = 0) => n + 1);
          if (request.url === '/set') return void response.end();
          if (request.url === '/pipe') {
            piped.pipe(response);
            piped.push('part');
            return undefined;
          }
          source.push('part');
          outcome = await pipeline(source, response).catch((error: unknown) => error);
          return undefined;
        },
        { environment: w.environment },
      ),
    );
    const cookie = cookieOf(await ask(port, '/set'));
    w.backend.fault = down;
    expect((await ask(port, '/', { cookie })).status).toBe(503);
    expect((await ask(port, '/pipe', { cookie })).status).toBe(503);
    await settle();
    expect(outcome).toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' });
    expect([source.destroyed, piped.destroyed]).toEqual([true, true]);
  });
});

describe('a client that goes away', () => {
  /** Sends a request and cuts the connection a little later. */
  async function goAway(port: number, text: string) {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(text));
    await settle(30);
    socket.destroy();
    await settle(30);
  }

  it.each(['reads', 'holds', 'streams', 'ended'])('has its visit closed once: %s', async (what) => {
    const w = world();
    const { counts, service } = counted(w.service);
    const errors: unknown[] = [];
    const { port } = await serve(
      sessionHandler(service, (_request, response, session) => {
        if (what !== 'reads') session.set('n', 1);
        const note = (error?: unknown) => errors.push(error);
        if (what === 'streams') response.write('part', note);
        if (what === 'ended') response.end('all', note);
      }),
    );
    const open = w.backend.shut();
    await goAway(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect([counts.opened, counts.closed]).toEqual([1, 1]);
    open();
    await settle();
    expect(counts.closed).toBe(1);
    const dropped = { code: 'ERR_STREAM_DESTROYED' };
    expect(errors).toMatchObject(what === 'streams' || what === 'ended' ? [dropped] : []);
  });

  it('does not reach the handler when it has gone before the visit is open', async () => {
    const w = world();
    const { counts, service } = counted(w.service);
    let reached = 0;
    let open = () => {};
    const wait = new Promise<void>((resolve) => {
      open = resolve;
    });
    const slow = Object.assign(Object.create(service), {
      open: (request: Parameters<Service['open']>[0]) => wait.then(() => service.open(request)),
    }) as Service;
    const { port } = await serve(sessionHandler(slow, () => void reached++));
    await goAway(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    open();
    await settle();
    expect([reached, counts.opened, counts.closed]).toEqual([0, 1, 1]);
  });

  it('has the visits of pipelined requests closed too', async () => {
    const w = world();
    const { counts, service } = counted(w.service);
    const { port } = await serve(sessionHandler(service, () => {}));
    await goAway(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(14));
    expect([counts.opened, counts.closed]).toEqual([14, 14]);
  });

  it('sees pipelined answers in order, each with its own change stored', async () => {
    const w = world();
    const { counts, service } = counted(w.service);
    const { port } = await serve(
      sessionHandler(service, (request, response, session) => {
        session.set('n', 1);
        response.end(`<${request.url}>`);
      }),
    );
    const request = (path: string, close = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${close}\r\n`;
    const answers = await raw(port, request('/1') + request('/2') + request('/3', 'Connection: close\r\n'));
    expect(answers.match(/<[^>]+>/g)).toEqual(['</1>', '</2>', '</3>']);
    expect(w.backend.saves).toBe(3);
    await settle();
    expect(counts.closed).toBe(3);
  });
});

describe('a refusal', () => {
  const refusing = () => {
    const w = world({ session: 'required' });
    return serve(sessionHandler(w.service, (_request, response) => void response.end('in')));
  };

  it('leaves the connection usable after an upload that nobody read', async () => {
    const { port } = await refusing();
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    for (const size of [10, 3_000_000, 0]) {
      const answer = await ask(port, '/', { method: 'POST', body: Buffer.alloc(size), agent });
      expect([answer.status, answer.headers.connection]).toEqual([401, 'keep-alive']);
    }
  });

  it('reaches a client that waits for 100 Continue', async () => {
    const { port, server } = await refusing();
    const text = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n';
    const usual = await raw(port, `${text}12345`, (read) => read.includes('session_required'));
    expect(usual).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 401 /);
    // A server that decides itself whether to ask for the body must not reuse the connection after a refusal.
    server.on('checkContinue', (request, response) => server.emit('request', request, response));
    const early = await raw(port, text);
    expect(early).toMatch(/^HTTP\/1.1 401 Unauthorized\r\n/);
    expect(early).toMatch(/\r\nConnection: close\r\n/i);
  });

  it('is a problem document, and nothing but its head for HEAD', async () => {
    const { port } = await refusing();
    const get = await ask(port);
    expect(JSON.parse(get.body)).toEqual({
      type: 'about:blank',
      title: 'Unauthorized',
      status: 401,
      code: 'session_required',
      detail: 'This needs a session, and the request carries none.',
    });
    const head = await ask(port, '/', { method: 'HEAD' });
    expect([head.status, head.body, head.headers['content-length']]).toEqual([
      401,
      '',
      String(Buffer.byteLength(get.body)),
    ]);
  });
});

it('openVisit answers refusals, and gives a gateway the visit with its answer held', async () => {
  const w = world({ paths: [{ prefix: '/private', session: 'required' }] });
  const settings = httpSettings();
  const seen: (string | undefined)[] = [];
  const { port } = await serve((request, response: ServerResponse) => {
    void openVisit(w.service, request, response, settings).then((visit) => {
      seen.push(visit?.service);
      if (visit === undefined) return;
      visit.session.set('n', 1);
      response.end('through');
    });
  });
  expect((await ask(port, '/private')).status).toBe(401);
  const answer = await ask(port);
  expect([answer.body, w.backend.saves]).toEqual(['through', 1]);
  expect(seen).toEqual([undefined, 'app']);
});
