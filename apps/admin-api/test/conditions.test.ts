import { describe, expect, test } from 'vitest';
import { errorsOf, fixture, patch } from './fixture.js';

/** RFC 9110 section 13: what a failed condition prevents, and what a reader is spared. */
async function one() {
  const f = await fixture();
  const { id } = await f.start({ user: 'alice' });
  const path = `/v1/sessions/${id}`;
  const get = (headers: Record<string, string> = {}) => f.ask('GET', path, { headers });
  const tag = async () => (await get()).headers.get('etag') ?? '';
  return { ...f, id, path, get, tag };
}

const START = 'Mon, 01 Jun 2026 12:00:00 GMT';
const BEFORE = 'Mon, 01 Jun 2026 11:59:59 GMT';

describe('the state of a session', () => {
  test('is told by an entity tag and a date that operators move, and use does not', async () => {
    const { get, tag, environment, ask, path, manager, id } = await one();
    const first = await get();
    expect(first.headers.get('etag')).toMatch(/^"[^"]+"$/);
    expect(first.headers.get('last-modified')).toBe(START);

    await environment.advance(60_000);
    expect(await tag()).toBe(first.headers.get('etag'));
    const tags = [first.headers.get('etag')];
    await ask('PATCH', path, { body: patch({ log_info: true }) });
    tags.push(await tag());
    expect((await get()).headers.get('last-modified')).toBe('Mon, 01 Jun 2026 12:01:00 GMT');
    await ask('PATCH', path, { body: patch({ log_info: true }) });
    expect(await tag()).toBe(tags.at(-1));
    await ask('POST', `${path}/restart`);
    tags.push(await tag());
    await environment.advance(1_000);
    await ask('POST', '/v1/sessions/restart');
    tags.push(await tag());
    expect((await get()).headers.get('last-modified')).toBe('Mon, 01 Jun 2026 12:01:01 GMT');
    expect(new Set(tags).size).toBe(4);
    expect((await manager.get(id))?.altered?.count).toBe(2);
  });

  test('is not told of lists, nor of other resources', async () => {
    const { ask } = await one();
    for (const path of [
      '/v1/sessions',
      '/v1/sessions?page[size]=1',
      '/v1/services',
      '/v1/services/web',
      '/v1',
    ]) {
      const { headers } = await ask('GET', path);
      expect([path, headers.get('etag'), headers.get('last-modified')]).toEqual([path, null, null]);
    }
  });
});

describe('a reader', () => {
  test('who has the state already gets a 304 without a body', async () => {
    const { get, tag, ask, path } = await one();
    const etag = await tag();
    for (const headers of [
      { 'if-none-match': etag },
      { 'if-none-match': `W/${etag}` },
      { 'if-none-match': `"other, one" , ${etag}` },
      { 'if-none-match': '*' },
      { 'if-none-match': etag, 'if-modified-since': BEFORE },
      { 'if-modified-since': START },
      { 'if-modified-since': 'Monday, 01-Jun-26 12:00:00 GMT' },
      { 'if-modified-since': 'Mon Jun  1 12:00:00 2026' },
      { 'if-match': etag, 'if-none-match': etag },
    ] as Record<string, string>[]) {
      const response = await get(headers);
      expect([headers, response.status]).toEqual([headers, 304]);
      expect(await response.text()).toBe('');
      expect(response.headers.get('etag')).toBe(etag);
      expect(response.headers.get('content-type')).toBeNull();
    }
    expect((await ask('HEAD', path, { headers: { 'if-none-match': etag } })).status).toBe(304);
  });

  test('who has another one gets the document, as the query asks', async () => {
    const { ask, path, tag } = await one();
    const etag = await tag();
    for (const headers of [
      { 'if-none-match': '"other"' },
      { 'if-none-match': etag.replaceAll('"', '') },
      { 'if-none-match': '"other"', 'if-modified-since': START },
      { 'if-modified-since': BEFORE },
      { 'if-modified-since': 'yesterday' },
      { 'if-match': etag },
      { 'if-match': '*' },
      { 'if-unmodified-since': START },
    ] as Record<string, string>[]) {
      const response = await ask('GET', `${path}?fields[sessions]=user`, { headers });
      expect([headers, response.status]).toEqual([headers, 200]);
      expect(response.headers.get('etag')).toBe(etag);
      expect(await response.json()).toMatchObject({ data: { attributes: { user: 'alice' } } });
    }
  });

  test('who insists on another state gets a 412', async () => {
    const { get, tag } = await one();
    const etag = await tag();
    for (const [headers, name] of [
      [{ 'if-match': '"other"' }, 'If-Match'],
      [{ 'if-match': `W/${etag}` }, 'If-Match'],
      [{ 'if-unmodified-since': BEFORE }, 'If-Unmodified-Since'],
      [{ 'if-unmodified-since': 'yesterday' }, 'If-Unmodified-Since'],
    ] as [Record<string, string>, string][]) {
      const response = await get(headers);
      expect([headers, response.status]).toEqual([headers, 412]);
      expect(await errorsOf(response)).toEqual([
        `${name}: the resource is not in that state. Nothing was changed.`,
      ]);
    }
  });

  test('of what has no states gets it, but for conditions that nothing can fulfil', async () => {
    const { ask } = await one();
    for (const path of ['/v1/sessions', '/v1/services/web']) {
      const status = async (headers: Record<string, string>) => (await ask('GET', path, { headers })).status;
      expect(await status({ 'if-none-match': '"0"' })).toBe(200);
      expect(await status({ 'if-modified-since': START })).toBe(200);
      expect(await status({ 'if-unmodified-since': BEFORE })).toBe(200);
      expect(await status({ 'if-match': '*' })).toBe(200);
      expect(await status({ 'if-match': '"0"' })).toBe(412);
    }
  });
});

describe('a change', () => {
  const filters = '{"data":[]}';

  test('whose condition fails is a 412 and changes nothing', async () => {
    const { ask, path, manager, id, tag, environment } = await one();
    const etag = await tag();
    await environment.advance(1_000);
    const before = await manager.get(id);
    for (const headers of [
      { 'if-match': '"other"' },
      { 'if-match': `W/${etag}` },
      { 'if-match': 'other' },
      { 'if-unmodified-since': BEFORE },
      { 'if-unmodified-since': 'now' },
      { 'if-none-match': '*' },
      { 'if-none-match': etag },
      { 'if-none-match': `W/${etag}` },
      { 'if-match': etag, 'if-none-match': etag },
      { 'if-match': '"other"', 'if-unmodified-since': START },
    ] as Record<string, string>[]) {
      for (const [method, at, body] of [
        ['PATCH', path, patch({ log_info: true })],
        ['PATCH', `${path}/relationships/filters`, filters],
        ['POST', `${path}/restart`],
        ['DELETE', path],
        ['DELETE', `${path}?ttl=5`],
      ] as const) {
        const response = await ask(method, at, { body, headers });
        expect([method, headers, response.status]).toEqual([method, headers, 412]);
        expect(await errorsOf(response)).toHaveLength(1);
      }
    }
    expect(await manager.get(id)).toEqual(before);
  });

  test('whose condition holds is made, once', async () => {
    const { ask, path, tag } = await one();
    const headers = { 'if-match': `"other", ${await tag()}` };
    const change = () => ask('PATCH', path, { body: patch({ log_info: true }), headers });
    expect((await change()).status).toBe(204);
    expect((await change()).status).toBe(412);
    for (const held of [
      { 'if-match': '*' },
      { 'if-unmodified-since': START },
      { 'if-none-match': '"other"' },
      // With a tag the date does not count.
      { 'if-match': '*', 'if-unmodified-since': BEFORE },
    ] as Record<string, string>[]) {
      const body = patch({ log_info: true });
      expect([held, (await ask('PATCH', path, { body, headers: held })).status]).toEqual([held, 204]);
    }
    expect((await ask('DELETE', path, { headers: { 'if-match': await tag() } })).status).toBe(204);
  });

  test('that two make of the same state at the same time is made by one of them', async () => {
    const { ask, path, tag, manager, id } = await one();
    const headers = { 'if-match': await tag() };
    const answers = await Promise.all(
      ['log_info', 'log_error', 'log_debug', 'log_notice'].map((name) =>
        ask('PATCH', path, { body: patch({ [name]: true }), headers }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 412, 412, 412]);
    expect(Object.keys((await manager.get(id))?.parameters ?? {})).toHaveLength(1);
  });

  test('of all sessions, or of what has no states, is not made on a condition that nothing can fulfil', async () => {
    const { ask, manager, id } = await one();
    const headers = { 'if-match': '"0"' };
    expect((await ask('POST', '/v1/sessions/restart', { headers })).status).toBe(412);
    expect((await manager.get(id))?.restartedAt).toBeUndefined();
    expect((await ask('POST', '/v1/sessions/restart', { headers: { 'if-match': '*' } })).status).toBe(204);
  });

  test('of a session that is not there is a 404 whatever the condition', async () => {
    const { ask } = await one();
    const path = '/v1/sessions/s01k6y3v9qxm2r8t4w7z5b1c0d3';
    for (const method of ['GET', 'DELETE'])
      expect((await ask(method, path, { headers: { 'if-match': '"x"' } })).status).toBe(404);
  });
});
