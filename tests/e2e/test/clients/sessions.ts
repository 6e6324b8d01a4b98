import { expect } from 'vitest';
import { at, needed, related, shownTime } from '../operator.js';
import { isAlive, login, of, parameters, type Row } from './context.js';

/** The columns of a list of sessions. */
function listed(resource: unknown): void {
  needed(resource, 'id');
  expect(at(resource, 'attributes.user')).toBe('ann');
  expect(at(resource, 'attributes.remote')).toBe('127.0.0.1');
  const age = Date.now() - shownTime(resource, 'attributes.connected');
  expect(age).toBeGreaterThan(-2_000);
  expect(age).toBeLessThan(120_000);
  expect(at(resource, 'attributes.idle')).toEqual(expect.any(Number));
  expect(related(resource, 'services')).toEqual(['shop']);
}

/** The rows of one session. */
function detailed(resource: unknown): void {
  listed(resource);
  expect(at(resource, 'attributes.state')).toBe('Session started');
  expect(at(resource, 'attributes.port')).toEqual(expect.any(Number));
  expect(needed(resource, 'attributes.parameters')).toMatchObject({ log_info: false });
  expect(at(resource, 'attributes.client.cipher')).toBe('');
  for (const name of ['connections', 'queries', 'log'])
    expect(Array.isArray(needed(resource, `attributes.${name}`))).toBe(true);
  expect(needed(resource, 'attributes.memory')).toEqual(expect.any(Object));
}

/** Commands that list, show, alter, reload and destroy sessions, and those that send what they are told. */
export const SESSION_ROWS: readonly Row[] = [
  [
    'list sessions',
    async (context) => {
      const { operator } = context;
      const { id } = await login(context);
      listed(of(await operator.list('sessions'), id));
    },
  ],
  [
    'list sessions --rdns',
    async (context) => {
      const { operator } = context;
      const { id } = await login(context);
      const one = of(await operator.list('sessions?rdns=true'), id);
      expect(at(one, 'attributes.remote')).toEqual(expect.any(String));
    },
  ],
  [
    'show session ID',
    async (context) => {
      const { operator } = context;
      const { id } = await login(context);
      detailed((await operator.get(`sessions/${id}`)).data);
    },
  ],
  [
    'show session ID --rdns',
    async (context) => {
      const { operator } = context;
      const { id } = await login(context);
      expect(at(await operator.get(`sessions/${id}?rdns=true`), 'data.id')).toBe(id);
    },
  ],
  [
    'show sessions',
    async (context) => {
      const { operator } = context;
      const { id } = await login(context);
      detailed(of(await operator.list('sessions/'), id));
    },
  ],
  [
    'show session of one that is not there',
    async (context) => {
      const { operator } = context;
      for (const id of ['s01k6y3v9qxm2r8t4w7z5b1c0d3', '12', 'nope']) {
        const { status, body } = await operator.refused('GET', `sessions/${id}`);
        expect(status).toBe(404);
        expect(JSON.parse(body)).toMatchObject({ errors: [{ detail: expect.any(String) }] });
      }
    },
  ],
  [
    'list queries',
    async (context) => {
      const { operator } = context;
      const { id, visit } = await login(context);
      const kept = needed(
        await operator.get('maxscale'),
        'data.attributes.parameters.retain_last_statements',
      );
      // Where nothing is kept, the client says so and asks no further.
      expect(kept).toBe(0);
      await operator.write('PATCH', 'maxscale', parameters({ retain_last_statements: 1 }));
      await visit();
      expect(at(await operator.get('maxscale'), 'data.attributes.parameters.retain_last_statements')).toBe(1);
      const all = await operator.list('sessions');
      for (const one of all) {
        const queries = needed(one, 'attributes.queries') as readonly unknown[];
        expect(Array.isArray(queries)).toBe(true);
        for (const query of queries) {
          needed(query, 'statement');
          shownTime(query, 'received');
        }
      }
      // What the client shows is the first one of each session.
      const [query] = needed(of(all, id), 'attributes.queries') as readonly unknown[];
      expect(at(query, 'statement')).toMatch(/^GET \/\S*$/);
      const [received, completed] = [shownTime(query, 'received'), shownTime(query, 'completed')];
      expect(completed).toBeGreaterThanOrEqual(received);
      expect(Math.abs(Date.now() - completed)).toBeLessThan(60_000);
    },
  ],
  [
    'alter session ID log_info=true',
    async (context) => {
      const { operator } = context;
      const { id } = await login(context);
      await operator.write('PATCH', `sessions/${id}`, parameters({ log_info: true }));
      const shown = at(await operator.get(`sessions/${id}`), 'data.attributes.parameters');
      expect(shown).toMatchObject({ log_info: true, log_debug: false });
    },
  ],
  [
    'alter session ID log_info true log_warning false',
    async (context) => {
      const { operator } = context;
      const { id } = await login(context);
      await operator.write('PATCH', `sessions/${id}`, parameters({ log_info: true, log_warning: false }));
      const shown = at(await operator.get(`sessions/${id}`), 'data.attributes.parameters');
      expect(shown).toMatchObject({ log_info: true, log_warning: false });
    },
  ],
  [
    'alter session with what cannot be set',
    async (context) => {
      const { operator } = context;
      const { id } = await login(context);
      for (const values of [{ log_info: 1 }, { nonsense: true }, { log: { info: true } }]) {
        const { status, body } = await operator.refused('PATCH', `sessions/${id}`, parameters(values));
        expect([status, body]).toEqual([400, expect.stringContaining('data.attributes.parameters')]);
      }
    },
  ],
  [
    'alter session-filters ID',
    async (context) => {
      const { operator } = context;
      const { id } = await login(context);
      const body = (names: readonly (string | number)[]) => ({
        data: {
          type: 'services',
          relationships: { filters: { data: names.map((name) => ({ id: name, type: 'filters' })) } },
        },
      });
      const shown = async () => related((await operator.get(`sessions/${id}`)).data, 'filters');
      for (const names of [['second one'], ['second one', 'requests'], ['requests'], []]) {
        await operator.write('PATCH', `sessions/${id}`, body(names));
        expect(await shown()).toEqual(names);
      }
      for (const names of [['nope'], ['a', 'b'], [7]]) {
        const { status } = await operator.refused('PATCH', `sessions/${id}`, body(names));
        expect(status).toBe(400);
      }
    },
  ],
  [
    'destroy session ID',
    async (context) => {
      const { operator } = context;
      const one = await login(context);
      expect(await isAlive(one)).toBe(true);
      await operator.write('DELETE', `sessions/${one.id}?ttl=0`);
      expect(await isAlive(one)).toBe(false);
      expect((await operator.refused('GET', `sessions/${one.id}`)).status).toBe(404);
    },
  ],
  [
    'destroy session ID ID ID',
    async (context) => {
      const { operator } = context;
      const all = [await login(context), await login(context), await login(context)];
      await Promise.all(all.map(({ id }) => operator.write('DELETE', `sessions/${id}?ttl=0`)));
      for (const one of all) expect(await isAlive(one)).toBe(false);
    },
  ],
  [
    'destroy session of several, one of which is not there',
    async (context) => {
      const { operator } = context;
      const all = [await login(context), await login(context)];
      const [first, last] = all.map(({ id }) => operator.write('DELETE', `sessions/${id}?ttl=0`));
      const gone = operator.refused('DELETE', 'sessions/s01k6y3v9qxm2r8t4w7z5b1c0d3?ttl=0');
      expect((await gone).status).toBe(404);
      await Promise.all([first, last]);
      for (const one of all) expect(await isAlive(one)).toBe(false);
    },
  ],
  [
    'destroy session ID --ttl=1',
    async (context) => {
      const { operator } = context;
      const one = await login(context);
      await operator.write('DELETE', `sessions/${one.id}?ttl=1`);
      expect(at(await operator.get(`sessions/${one.id}`), 'data.attributes.state')).toBe('Stopping session');
      expect(await isAlive(one)).toBe(true);
      await expect.poll(() => isAlive(one), { timeout: 5_000, interval: 200 }).toBe(false);
    },
  ],
  [
    'reload session ID',
    async (context) => {
      const { app, operator } = context;
      const one = await login(context);
      await operator.write('PATCH', `sessions/${one.id}`, parameters({ log_info: true }));
      await operator.write('POST', `sessions/${one.id}/restart`);
      expect(at(await operator.get(`sessions/${one.id}`), 'data.attributes.parameters.log_info')).toBe(true);
      expect(await isAlive(one)).toBe(true);
      const nobody = 'sessions/s01k6y3v9qxm2r8t4w7z5b1c0d3/restart';
      expect((await operator.refused('POST', nobody)).status).toBe(404);
      expect(app.log.map(({ msg }) => msg)).toContain('admin restarted the session');
    },
  ],
  [
    'reload sessions',
    async (context) => {
      const { app, operator } = context;
      const one = await login(context);
      await operator.write('POST', 'sessions/restart');
      expect(await isAlive(one)).toBe(true);
      expect(app.log.map(({ msg }) => msg)).toContain('admin restarted all sessions');
    },
  ],
  [
    '--skip-sync on every command',
    async (context) => {
      const { operator } = context;
      const one = await login(context);
      operator.skipSync = true;
      await operator.list('sessions');
      await operator.get(`sessions/${one.id}?rdns=true`);
      await operator.write('PATCH', `sessions/${one.id}`, parameters({ log_info: true }));
      await operator.write('POST', `sessions/${one.id}/restart`);
      await operator.write('DELETE', `sessions/${one.id}?ttl=0`);
      operator.skipSync = false;
      expect(operator.sent.slice(-2)).toEqual([
        `POST sessions/${one.id}/restart?sync=false`,
        `DELETE sessions/${one.id}?ttl=0&sync=false`,
      ]);
      expect(await isAlive(one)).toBe(false);
    },
  ],
  [
    'api get, with brackets and quotes as they are sent',
    async (context) => {
      const { operator } = context;
      const { id } = await login(context);
      await login(context);
      const page = await operator.get('sessions?page[size]=1&page[number]=0&fields[sessions]=user');
      expect(page.data).toHaveLength(1);
      expect(at(page, 'data.0.attributes')).toEqual({ user: 'ann' });
      const filtered = await operator.list(`sessions?filter=/id=eq(%22${id}%22)`);
      expect(filtered.map((one) => at(one, 'id'))).toEqual([id]);
      const path = await operator.list(`sessions?filter[id]=or(eq(%22${id}%22),eq(%22x%22))`);
      expect(path).toHaveLength(1);
    },
  ],
  [
    'api patch and api post',
    async (context) => {
      const { operator } = context;
      const { id } = await login(context);
      await operator.write('PATCH', `sessions/${id}`, parameters({ log_error: true }));
      expect(at(await operator.get(`sessions/${id}`), 'data.attributes.parameters.log_error')).toBe(true);
      await operator.write('POST', `sessions/${id}/restart`, {});
    },
  ],
  [
    'create report',
    async (context) => {
      const { operator } = context;
      for (const resource of [
        'maxscale',
        'servers',
        'services',
        'monitors',
        'listeners',
        'filters',
        'sessions',
        'users',
        'maxscale/modules',
        'maxscale/query_classifier',
        'maxscale/threads',
        'maxscale/logs/data?page[size]=1000',
        'maxscale/debug/server_diagnostics',
      ])
        await operator.get(resource);
    },
  ],
];
