import { describe, expect, test } from 'vitest';
import { errorsOf, fixture, patch } from './fixture.js';

interface Doc {
  data: { attributes: Record<string, unknown> };
}

describe('altering a session', () => {
  test('answers 204, sets the levels that are named and leaves the others', async () => {
    const { ask, start } = await fixture();
    const { id } = await start();
    const parameters = async () =>
      ((await (await ask('GET', `/v1/sessions/${id}`)).json()) as Doc).data.attributes.parameters;
    const first = await ask('PATCH', `/v1/sessions/${id}`, {
      body: patch({ log_info: true, log_debug: true }),
    });
    expect(first.status).toBe(204);
    expect(await first.text()).toBe('');
    expect(
      (await ask('PATCH', `/v1/sessions/${id}`, { body: patch({ log_info: false, log_error: true }) }))
        .status,
    ).toBe(204);
    expect(await parameters()).toEqual({
      log_debug: true,
      log_error: true,
      log_info: false,
      log_notice: false,
      log_warning: false,
    });
  });

  test.each([
    ['nothing to change', { data: {} }],
    ['no levels', { data: { attributes: { parameters: {} } } }],
    ['a type of another kind, as clients send it', { data: { type: 'services', attributes: {} } }],
  ])('with %s is accepted and does nothing', async (_name, body) => {
    const { ask, start, manager } = await fixture();
    const { id } = await start();
    expect((await ask('PATCH', `/v1/sessions/${id}`, { body: JSON.stringify(body) })).status).toBe(204);
    expect(await manager.get(id)).toMatchObject({ parameters: {} });
  });

  test.each([
    [
      'a wrong type',
      { data: { attributes: { parameters: { log_info: true, log_error: 'yes' } } } },
      ['data.attributes.parameters.log_error: must be true or false'],
    ],
    [
      'null',
      { data: { attributes: { parameters: { log_info: null } } } },
      ['data.attributes.parameters.log_info: must be true or false'],
    ],
    [
      'an unknown parameter',
      { data: { attributes: { parameters: { log_info: true, log_all: true } } } },
      ["data.attributes.parameters: unknown name 'log_all'"],
    ],
    [
      'an unknown attribute',
      { data: { attributes: { user: 'root' } } },
      ["data.attributes: unknown name 'user'"],
    ],
    ['an unknown member', { data: {}, meta: 1 }, ["the body: unknown name 'meta'"]],
    [
      'a name that could be a secret',
      { data: { [`x${'y'.repeat(42)}`]: 1 } },
      ['data: unknown name (not shown)'],
    ],
    ['an array', [], [expect.stringContaining('the body: ')]],
    ['no data', {}, [expect.stringContaining('data: ')]],
    [
      'the id of another session',
      { data: { id: 's01k6y3v9qxm2r8t4w7z5b1c0d3', attributes: { parameters: { log_info: true } } } },
      ['data.id: is not the session of the path'],
    ],
    ['a number as id', { data: { id: 7 } }, [expect.stringContaining('data.id: ')]],
    [
      'two mistakes',
      { data: { attributes: { parameters: { log_info: 1, log_error: 0 } } } },
      [
        'data.attributes.parameters.log_error: must be true or false',
        'data.attributes.parameters.log_info: must be true or false',
      ],
    ],
  ])('with %s is a 400 that changes nothing', async (_name, body, details) => {
    const { ask, start, manager } = await fixture();
    const { id } = await start();
    const before = await manager.get(id);
    const response = await ask('PATCH', `/v1/sessions/${id}`, { body: JSON.stringify(body) });
    expect(response.status).toBe(400);
    expect(await errorsOf(response)).toEqual(details);
    expect(await manager.get(id)).toEqual(before);
  });

  test('without a body is a 400', async () => {
    const { ask, start } = await fixture();
    const { id } = await start();
    const response = await ask('PATCH', `/v1/sessions/${id}`);
    expect(response.status).toBe(400);
    expect(await errorsOf(response)).toEqual(['Missing request body']);
  });

  test.each(['application/x-www-form-urlencoded', 'text/plain', 'application/json; charset=utf-8'])(
    'takes JSON that says it is %s',
    async (type) => {
      const { ask, start } = await fixture();
      const { id } = await start();
      const response = await ask('PATCH', `/v1/sessions/${id}`, {
        body: patch({ log_info: true }),
        headers: { 'content-type': type },
      });
      expect(response.status).toBe(204);
    },
  );
});
