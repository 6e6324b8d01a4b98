import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

let child: ChildProcess;
let url = '';

beforeAll(async () => {
  child = spawn(process.execPath, [join(import.meta.dirname, 'server.mjs')], {
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  url = line.toString().replace('upstream: ', '').trim();
});
afterAll(async () => {
  child.kill();
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
});

const encode = (data: unknown) => Buffer.from(JSON.stringify(data)).toString('base64url');
const decode = (data: string | null) =>
  JSON.parse(Buffer.from(data ?? '', 'base64url').toString()) as unknown;
const visit = (headers: Record<string, string>) => fetch(url, { headers });

describe('the example upstream', () => {
  test('counts visits in the data of the session', async () => {
    const first = await visit({ 'X-Session-Id': 's1' });
    expect(await first.text()).toBe('Hello stranger, visit 1, session s1\n');
    expect(decode(first.headers.get('x-session-data'))).toEqual({ visits: 1 });
    const data = encode({ visits: 6, cart: [1] });
    const next = await visit({ 'X-Session-Id': 's1', 'X-Session-User': 'J%C3%B6rg', 'X-Session-Data': data });
    expect(await next.text()).toBe('Hello J\u00f6rg, visit 7, session s1\n');
    expect(decode(next.headers.get('x-session-data'))).toEqual({ visits: 7 });
  });

  test('keeps nothing where there is no session', async () => {
    const reply = await visit({ 'X-Session-Id': '-' });
    expect(reply.status).toBe(200);
    expect(reply.headers.get('x-session-data')).toBeNull();
  });

  test('logs in and out by POST only', async () => {
    const post = (path: string) => fetch(url + path, { method: 'POST' });
    const login = await post(`/login?user=${encodeURIComponent('J\u00f6rg \u{1f408}')}`);
    expect(decodeURIComponent(login.headers.get('x-session-user') ?? '')).toBe('J\u00f6rg \u{1f408}');
    expect((await post('/login')).status).toBe(400);
    expect((await post('/logout')).headers.get('x-session-destroy')).toBe('1');
    expect((await fetch(`${url}/login?user=a`)).status).toBe(404);
  });

  test('answers rubbish with 400, and goes on', async () => {
    expect((await visit({ 'X-Session-Id': 's1', 'X-Session-Data': 'abc' })).status).toBe(400);
    expect((await visit({ 'X-Session-Id': 's1', 'X-Session-User': '%' })).status).toBe(400);
    expect(await (await fetch(`${url}/health`)).text()).toBe('ok\n');
    expect(await (await fetch(`${url}/slow?seconds=0.01`)).text()).toBe('This took 0.01 seconds\n');
  });
});
