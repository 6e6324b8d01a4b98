import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type App, config, startApp, startUpstream, until } from './app.js';
import { send } from './client.js';

const sha = (data: Buffer | string) => createHash('sha256').update(data).digest('hex');
const MEGABYTE = randomBytes(1024 * 1024);

/** `/upload` answers the hash of what it got; `/download` takes its time; `/never` says nothing; all else at once. */
async function upstream(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url === '/upload') {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    response.end(sha(Buffer.concat(chunks)));
  } else if (request.url === '/download') {
    response.writeHead(200, { 'content-length': MEGABYTE.length });
    for (let i = 0; i < 16; i++) {
      response.write(MEGABYTE.subarray(i * 65_536, (i + 1) * 65_536));
      await delay(100);
    }
    response.end();
  } else if (request.url !== '/never') response.end('here');
}

/** A megabyte that takes 1.6 s. */
function slowly(): Readable {
  return Readable.from(
    (async function* () {
      for (let i = 0; i < 16; i++) {
        yield MEGABYTE.subarray(i * 65_536, (i + 1) * 65_536);
        await delay(100);
      }
    })(),
  );
}

const stopping = (app: App) => until('the stop to begin', () => app.stderr.includes('stopping: '));

/** Whether a new connection is refused. */
async function isRefused(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const outcome = await Promise.race([
    once(socket, 'connect').then(() => false),
    once(socket, 'error').then(([error]) => (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'),
  ]).catch((error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED');
  socket.destroy();
  return outcome;
}

describe('SIGTERM', () => {
  it('lets a slow upload and a slow download finish whole, refuses new connections, and exits with 0', async () => {
    const app = await startApp(config(await startUpstream(upstream)));
    const upload = send(`${app.public}/upload`, { method: 'POST', body: slowly() });
    const download = send(`${app.public}/download`).catch((error: unknown) => error);
    // The body compared as bytes: `send` would decode it.
    const bytes = fetch(`${app.public}/download`).then(async (answer) =>
      Buffer.from(await answer.arrayBuffer()),
    );
    await delay(400);
    const begun = Date.now();
    app.child.kill('SIGTERM');
    await stopping(app);
    await until('refused connections', () => isRefused(app.public));

    const ready = await send(`${app.admin}/readyz`);
    expect(ready.status).toBe(503);
    expect(JSON.parse(ready.body)).toEqual({ errors: [{ detail: 'The process is shutting down.' }] });
    expect((await send(`${app.admin}/healthz`)).status).toBe(200);

    const answer = await upload;
    expect(answer).toMatchObject({ status: 200, body: sha(MEGABYTE) });
    expect(answer.headers.connection).toBe('close');
    expect(await download).toMatchObject({ status: 200 });
    expect(sha(await bytes)).toBe(sha(MEGABYTE));
    expect(await app.ended).toBe(0);
    expect(Date.now() - begun).toBeLessThan(10_000);
    expect(app.access.filter(({ aborted }) => aborted)).toEqual([]);
    expect(app.access.map(({ url }) => url).sort()).toEqual(['/download', '/download', '/upload']);
  });

  it('closes connections that wait for nothing', async () => {
    const app = await startApp(config(await startUpstream(upstream)));
    const agent = new Agent({ keepAlive: true });
    const answer = await send(`${app.public}/`, { agent });
    expect(answer.headers.connection).toBe('keep-alive');
    const { hostname, port } = new URL(app.public);
    const silent = connect(Number(port), hostname);
    await once(silent, 'connect');
    const begun = Date.now();
    expect(await app.stop()).toBe(0);
    expect(Date.now() - begun).toBeLessThan(5_000);
    agent.destroy();
    silent.destroy();
  });

  it('does not cut the answer of a client that reads slowly', async () => {
    const big = randomBytes(24 * 1024 * 1024);
    const app = await startApp(config(await startUpstream((_request, response) => response.end(big))));
    const { hostname, port } = new URL(app.public);
    const socket = connect(Number(port), hostname);
    socket.write('GET /big HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'readable');
    app.child.kill('SIGTERM');
    await stopping(app);
    await delay(300);
    let length = 0;
    for await (const chunk of socket) length += (chunk as Buffer).length;
    expect(length).toBeGreaterThan(big.length);
    expect(await app.ended).toBe(0);
  });

  it('cuts what takes longer than drain_timeout, and exits with 1', async () => {
    const app = await startApp(config(await startUpstream(upstream), { more: 'drain_timeout: 0.5' }));
    const never = send(`${app.public}/never`);
    never.catch(() => {});
    await delay(300);
    expect(await app.stop()).toBe(1);
    await expect(never).rejects.toThrow();
    expect(app.stderr).toContain('1 request is under way, with 0.5 s to finish; another signal cuts at once');
    expect(app.stderr).toContain('stopped: 1 request was cut');
    expect(app.access).toEqual([expect.objectContaining({ url: '/never', status: 499, aborted: true })]);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('a second signal (%s) cuts at once', async (signal) => {
    const app = await startApp(config(await startUpstream(upstream)));
    const never = send(`${app.public}/never`);
    never.catch(() => {});
    await delay(300);
    const begun = Date.now();
    app.child.kill(signal);
    await stopping(app);
    expect(await app.stop(signal)).toBe(1);
    expect(Date.now() - begun).toBeLessThan(5_000);
    await expect(never).rejects.toThrow();
  });
});
