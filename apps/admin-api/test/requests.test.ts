import { describe, expect, test } from 'vitest';
import { errorsDocument } from '../src/schemas.js';
import { ADMIN, BASIC, errorsOf, fixture, patch, request } from './fixture.js';

const ID = 's01k6y3v9qxm2r8t4w7z5b1c0d3';

describe('paths', () => {
  test.each(['/', '/v1', '/v1/', '/v1///', '//v1/'])('%s is 200 and empty for GET and HEAD', async (path) => {
    const { ask } = await fixture();
    for (const method of ['GET', 'HEAD']) {
      const response = await ask(method, path);
      expect(response.status).toBe(200);
      expect(await response.text()).toBe('');
      expect(response.headers.has('content-type')).toBe(false);
    }
  });

  test.each([
    ['GET', '/nowhere'],
    ['GET', '/v1/nowhere'],
    ['GET', '/v1//sessions'],
    ['GET', '/V1/sessions'],
    ['GET', `/sessions/${ID}`],
    ['GET', '/v1/services/nope'],
    ['GET', '/v1/services/__proto__'],
    ['GET', `/v1/sessions/${ID}/relationships/filters`],
    ['GET', `/v1/sessions/${ID}/relationships/servers`],
    ['GET', `/v1/sessions/${ID}/restart`],
    ['GET', '/v1/sessions/restart'],
    ['POST', '/v1/sessions'],
    ['POST', `/v1/sessions/${ID}/restart`],
    ['PUT', `/v1/sessions/${ID}`],
    ['POST', '/'],
    ['DELETE', '/v1/services/web'],
    ['OPTIONS', '/v1/nowhere'],
    ['PURGE', '/v1/nowhere'],
  ])('%s %s is a 404 with errors', async (method, path) => {
    const { ask } = await fixture();
    const response = await ask(method, path);
    expect(response.status).toBe(404);
    expect(response.headers.get('content-type')).toBe('application/json');
    errorsDocument.parse(await response.json());
  });

  test.each([
    ['/v1/sessions', 'DELETE, GET, HEAD, OPTIONS', null],
    [`/v1/sessions/${ID}`, 'DELETE, GET, HEAD, OPTIONS, PATCH', 'application/json'],
    ['/v1/users/inet/', 'GET, HEAD, OPTIONS, POST', null],
    ['/v1/services/a%2Fb', 'GET, HEAD, OPTIONS, PATCH', 'application/json'],
  ])('tell their methods: OPTIONS %s', async (path, methods, patches) => {
    const { ask, access } = await fixture();
    const response = await ask('OPTIONS', path, { as: BASIC });
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect(response.headers.get('allow')).toBe(methods);
    expect(response.headers.get('accept')).toBe(methods);
    expect(response.headers.get('accept-patch')).toBe(patches);
    expect(access.at(-1)).toMatchObject({ actor: BASIC.name, action: 'options', status: 200 });
    expect((await ask('OPTIONS', path, { as: null })).status).toBe(401);
  });

  test('with a method that nothing here has are a 405 that tells the methods', async () => {
    const { ask } = await fixture();
    for (const method of ['PURGE', 'PROPFIND', 'GETS']) {
      const response = await ask(method, '/v1/sessions');
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'DELETE, GET, HEAD, OPTIONS']);
      expect(await errorsOf(response)).toEqual(['Nothing here has this method.']);
    }
  });

  test.each([
    ['a path', `/v1/services/${'x'.repeat(8_193 - '/v1/services/'.length)}`],
    ['a query', `/v1/sessions?${'x'.repeat(8_193 - '/v1/sessions?'.length)}`],
  ])(
    'longer than 8,192 characters with %s are a 414, before anything else is looked at',
    async (_name, path) => {
      const { ask, access } = await fixture();
      for (const as of [ADMIN, null]) {
        const response = await ask('GET', path, { as });
        expect(response.status).toBe(414);
        expect(await errorsOf(response)).toEqual(['The path and query are longer than 8192 characters.']);
      }
      expect(access.map(({ status, target }) => [status, target.length < 40])).toEqual([
        [414, true],
        [414, true],
      ]);
      expect((await ask('GET', path.slice(0, -1))).status).toBe(path.includes('?') ? 200 : 404);
    },
  );

  test('with an escaped character name the same thing', async () => {
    const { ask, start } = await fixture();
    const { id } = await start();
    expect((await ask('GET', `/v1/sessions/%73${id.slice(1)}`)).status).toBe(200);
  });

  test.each([
    '1',
    'x',
    '%00',
    `${ID}%00`,
    `${ID}%0d%0aX-Injected:%20yes`,
    '%0d%0aX-Injected:%20yes',
    `${ID}x`,
    ID.toUpperCase(),
    `${ID}%2f..`,
    '%zz',
    '__proto__',
    'constructor',
    `${ID.slice(0, -1)}u`,
    'x'.repeat(8_000),
  ])('with %s for an id are a 404 that does not repeat it', async (id) => {
    const { ask, access } = await fixture();
    for (const [method, body] of [['GET'], ['DELETE'], ['PATCH', patch({ log_info: true })]] as const) {
      const response = await ask(method, `/v1/sessions/${id}`, { body });
      expect(response.status).toBe(404);
      expect(await response.text()).toBe(
        '{\n    "errors": [\n        {\n            "detail": "id: is not a session id"\n        }\n    ]\n}',
      );
      expect(response.headers.has('x-injected')).toBe(false);
      expect(access.at(-1)).toMatchObject({ target: '/v1/sessions/{id}', status: 404 });
    }
  });

  test('that hold a session token are a 404, and neither answer nor log repeat it', async () => {
    const { ask, start, access, environment, manager } = await fixture();
    const { id, token } = await start();
    const secret = token.slice(28);
    for (const path of [
      `/v1/sessions/${token}`,
      `/v1/sessions/${token.replace('.', '%2E')}`,
      `/v1/sessions/${secret}`,
      `/v1/${token}`,
      `/${token}`,
      `/v1/sessions/${id}/${secret}`,
      `/v1/services/${token}`,
    ]) {
      for (const method of ['GET', 'DELETE']) {
        const response = await ask(method, path);
        expect([path, response.status]).toEqual([path, 404]);
        expect(await response.text()).not.toContain(secret);
      }
    }
    for (const query of [`_token=${token}`, `${token}=1`, `ttl=${token}`]) {
      const response = await ask('DELETE', `/v1/sessions/${id}?${query}`);
      expect(response.status).toBe(400);
      expect(await response.text()).not.toContain(secret);
    }
    expect(await manager.get(id)).toBeDefined();
    expect(access).toHaveLength(17);
    expect(JSON.stringify(access)).not.toContain(secret);
    expect(JSON.stringify(environment.entries)).not.toContain(secret);
  });
});

describe('bodies', () => {
  test.each([
    ['text', 'log_info=true'],
    ['half a document', '{"data":'],
    ['bytes that are no UTF-8', '\u00ff\u0000'],
    ['more nesting than any document has', '['.repeat(60_000)],
  ])('that are %s are a 400 that does not quote them', async (_name, body) => {
    const { ask } = await fixture();
    const response = await ask('PATCH', `/v1/sessions/${ID}`, { body });
    expect(response.status).toBe(400);
    expect(await errorsOf(response)).toEqual(['Invalid JSON in request']);
  });

  test.each([
    '{"data":{"attributes":{"parameters":{"log_info":true,"__proto__":{"log_error":true}}}}}',
    '{"__proto__":{"data":{}}}',
    '{"data":{"\\u005f_proto__":{}}}',
  ])('with __proto__ in them are a 400 and pollute nothing: %s', async (body) => {
    const { ask, start, manager } = await fixture();
    const { id } = await start();
    const response = await ask('PATCH', `/v1/sessions/${id}`, { body });
    expect(response.status).toBe(400);
    expect(await errorsOf(response)).toEqual(['the body: __proto__ is no name']);
    expect(await manager.get(id)).toMatchObject({ parameters: {} });
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  test('above 64 kB are a 413, with and without a length', async () => {
    const { api, start, manager } = await fixture();
    const { id } = await start();
    const body = patch({ log_info: true }) + ' '.repeat(70_000);
    const whole = request('PATCH', `/v1/sessions/${id}`, { body });
    const { headers } = request('PATCH', '/', { body: 'x' });
    const streamed = new Request(whole.url, {
      method: 'PATCH',
      headers,
      body: new Blob([body]).stream(),
      duplex: 'half',
    });
    const declared = new Request(whole.url, {
      method: 'PATCH',
      headers: [...headers, ['content-length', '70000']],
      body: 'x',
    });
    for (const each of [whole, streamed, declared]) {
      const response = await api.fetch(each);
      expect(response.status).toBe(413);
      expect(await errorsOf(response)).toEqual(['The body is larger than 65536 bytes.']);
    }
    expect(await manager.get(id)).toMatchObject({ parameters: {} });
  });
});

describe('query parameters', () => {
  test('that nobody knows are ignored on a read', async () => {
    const { ask } = await fixture();
    expect((await ask('GET', '/v1/sessions?whatever=1&sync=false&page[size]=x')).status).toBe(200);
  });

  test('that nobody knows are a 400 on a write, which then does nothing', async () => {
    const { ask, start, manager } = await fixture();
    const { id } = await start();
    const before = await manager.get(id);
    for (const [method, body] of [['DELETE'], ['PATCH', patch({ log_info: true })]] as const) {
      const response = await ask(method, `/v1/sessions/${id}?tll=5&ttl=5&filter[x]=1`, { body });
      expect(response.status).toBe(400);
      const details = await errorsOf(response);
      expect(details).toContain("the query: unknown name 'tll'");
      expect(details).toContain("the query: unknown name 'filter[x]'");
    }
    expect(await manager.get(id)).toEqual(before);
  });

  test('count in any case, and the first of a repeated one counts', async () => {
    const { ask } = await fixture();
    const text = async (query: string) => (await ask('GET', `/v1/services?${query}`)).text();
    expect(await text('PRETTY=Off')).not.toContain('\n');
    expect(await text('pretty=0&pretty=1')).not.toContain('\n');
    expect(await text('pretty=1&pretty=0')).toContain('\n    "data"');
    expect(await text('pretty=maybe')).toContain('\n    "data"');
  });

  test('shape errors too', async () => {
    const { ask } = await fixture();
    const response = await ask('GET', '/nowhere?pretty=false');
    expect(await response.text()).toBe(
      '{"errors":[{"detail":"There is nothing at this path with this method."}]}',
    );
  });
});

describe('the Host header', () => {
  test.each([
    'localhost',
    'LOCALHOST:1',
    '127.0.0.1:8989',
    '[::1]:8989',
    'admin.example:443',
    'Admin.Example.',
    '[2001:db8::1]:80',
  ])('%s is ours, and stands in the links', async (host) => {
    const { ask } = await fixture({ hosts: ['admin.example', '2001:DB8::1'] });
    const response = await ask('GET', '/v1/services', { headers: { host } });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ links: { self: `http://${host}/v1/services/` } });
  });

  test('may be the IPv4 address of a listener on ::, which the system writes as IPv6', async () => {
    const { api } = await fixture();
    const asked = (host: string) =>
      api.fetch(request('GET', '/v1/', { headers: { host } }), { hosts: ['::', '::ffff:192.0.2.1'] });
    expect((await asked('192.0.2.1:8989')).status).toBe(200);
    expect((await asked('192.0.2.2:8989')).status).toBe(421);
  });

  test.each([
    'evil.example',
    'admin.example.evil.example',
    'evil.example:8989',
    '127.0.0.1.evil.example',
    '10.0.0.1',
    'xadmin.example',
  ])('%s is not ours: 421, before the credentials are looked at', async (host) => {
    const { ask } = await fixture({ hosts: ['admin.example'] });
    for (const as of [ADMIN, null]) {
      const response = await ask('GET', '/v1/services', { as, headers: { host } });
      expect(response.status).toBe(421);
      expect(await response.text()).not.toContain(host);
    }
  });

  test.each([
    '',
    'localhost/evil',
    'user@localhost',
    'localhost:port',
    'local host',
    '"><script>',
    'localhost:8989, evil.example',
  ])('"%s" is malformed: 400', async (host) => {
    const { ask } = await fixture();
    const response = await ask('GET', '/v1/services', { headers: { host } });
    expect(response.status).toBe(400);
    expect(await errorsOf(response)).toEqual(['The Host header is not a host name with an optional port.']);
  });
});

describe('a change that a page asks for', () => {
  const foreign = [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'cross-site', origin: 'http://localhost:8989' },
    { origin: 'http://evil.example' },
    { origin: 'http://localhost' },
    { origin: 'http://localhost:1' },
    { origin: 'null' },
    { origin: 'rubbish' },
  ];
  const own: Record<string, string>[] = [
    {},
    { 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'none' },
    { 'sec-fetch-site': 'same-origin', origin: 'http://evil.example' },
    { origin: 'http://localhost:8989' },
    { origin: 'https://localhost:8989' },
  ];

  test.each(foreign)('of another site (%o) is a 403 whatever the credentials', async (headers) => {
    const { ask, start, manager } = await fixture();
    const { id } = await start();
    for (const as of [ADMIN, BASIC, null]) {
      for (const [method, path, body] of [
        ['DELETE', `/v1/sessions/${id}`],
        ['PATCH', `/v1/sessions/${id}`, patch({ log_info: true })],
        ['POST', '/nowhere', 'x'],
        ['PUT', '/nowhere', 'x'],
      ] as const) {
        const response = await ask(method, path, { as, headers, body });
        expect(response.status).toBe(403);
        expect(await errorsOf(response)).toEqual(['A page of another site may not change anything here.']);
      }
    }
    expect(await manager.get(id)).toMatchObject({ parameters: {} });
    expect((await ask('GET', `/v1/sessions/${id}`, { headers })).status).toBe(200);
  });

  test.each(own)('of our own (%o), or by no browser, is done', async (headers) => {
    const { ask, start } = await fixture();
    const { id } = await start();
    expect((await ask('DELETE', `/v1/sessions/${id}`, { headers })).status).toBe(204);
  });

  test('counts the default port of its scheme as given', async () => {
    const { ask, start } = await fixture({ hosts: ['admin.example'] });
    const { id } = await start();
    const path = `/v1/sessions/${id}?ttl=60`;
    const same = { host: 'admin.example', origin: 'https://admin.example:443' };
    expect((await ask('DELETE', path, { headers: same })).status).toBe(204);
    const other = { host: 'admin.example:8443', origin: 'https://admin.example' };
    expect((await ask('DELETE', path, { headers: other })).status).toBe(403);
  });
});
