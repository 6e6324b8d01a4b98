import { createAdaptorServer } from '@hono/node-server';
import { memory } from '@sessionkit/backend-memory';
import { openFetch } from '@sessionkit/http-fetch';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { expect, it, onTestFinished } from 'vitest';

it('an answer of @hono/node-server that is there as a whole is handed on as it is, unread; a stream is followed', async () => {
  const native = globalThis.Response;
  // From here on `Response` is its own.
  createAdaptorServer({ fetch: () => new Response() });
  expect(Response).not.toBe(native);
  const manager = createSessionManager();
  onTestFinished(() => manager.close());
  const service = manager.service('app', { backend: memory(), transports: [cookie({ name: 'sid' })] });
  const login = await openFetch(service, new Request('http://shop.example/', { method: 'POST' }));
  await login.session.login('alice');
  const sid = (await login.apply(new Response('in'))).headers.getSetCookie()[0]?.split(';', 1)[0] ?? '';
  const open = () => openFetch(service, new Request('http://shop.example/', { headers: { cookie: sid } }));
  for (const whole of ['a text', new Uint8Array([65]), null]) {
    const response = new Response(whole);
    expect(await (await open()).apply(response), String(whole)).toBe(response);
  }
  const stream = new Response(ReadableStream.from([new Uint8Array([65])]));
  const followed = await (await open()).apply(stream);
  expect(followed).not.toBe(stream);
  expect(await followed.text()).toBe('A');
});
