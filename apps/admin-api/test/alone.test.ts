import { join } from 'node:path';
import { readConfig } from '@sessionkit/compose';
import { describe, expect, test } from 'vitest';
import { configuredSystem } from '../src/configured.js';
import { ADMIN, errorsOf, fixture } from './fixture.js';
import { listerOf, readerOf } from './system.js';

const YAML = `
session: { transport: { type: cookie }, backend: { type: memory } }
servers: { one: { url: "https://[::1]" }, two: { url: "http://upstream.example:81", steer: true } }
services: { web: { router: { type: proxy, servers: [two, one] } }, other: { session: false } }
listeners: { public: { service: web, port: 8080 } }
`;

/** An API that runs no services, beside a configuration of those that do. */
async function alone() {
  const file = join(import.meta.dirname, 'sessionkit.yaml');
  const places = {
    resolveFrom: join(import.meta.dirname, '..', '..', 'sessionkit'),
    conditions: ['@sessionkit/source'],
  };
  const { config, error } = await readConfig({ file, text: YAML }, places);
  if (config === undefined) throw error;
  const made = await fixture({ system: configuredSystem(config) });
  return { ...made, file, read: readerOf(made.ask), list: listerOf(made.ask) };
}

describe('an API alone', () => {
  test('shows what the configuration says, leaves out what other processes know, and names it', async () => {
    const { read, list, file } = await alone();
    const source = { file, type: 'static' };
    const service = await read('/v1/services/web');
    expect(service.data.attributes).toEqual({
      backend: 'memory',
      listeners: (await list('/v1/listeners')).data,
      parameters: {},
      router: 'proxy',
      router_diagnostics: {},
      share: 'web',
      source,
      transports: ['cookie'],
      users: [],
    });
    expect(service.meta).toEqual({
      unknown: [
        'parameters/retain_last_statements',
        'parameters/session_trace',
        'started',
        'state',
        'statistics',
      ],
    });
    expect(service.data.relationships.servers?.data.map((one) => one.id)).toEqual(['two', 'one']);

    const servers = await list('/v1/servers?page[size]=5');
    expect(servers.meta).toEqual({
      total: 2,
      unknown: ['last_event', 'state', 'statistics', 'triggered_at'],
    });
    expect(servers.data.map(({ attributes }) => attributes)).toEqual([
      { parameters: { address: '::1', port: 443, protocol: 'https', socket: null, steer: false }, source },
      {
        parameters: {
          address: 'upstream.example',
          port: 81,
          protocol: 'http',
          socket: null,
          steer: true,
        },
        source,
      },
    ]);
    expect((await list('/v1/listeners')).data[0]?.attributes).toEqual({
      parameters: { address: '127.0.0.1', port: 8080, protocol: 'http', service: 'web' },
      source,
    });
    const modules = (await list('/v1/maxscale/modules')).data.map(({ id }) => id);
    expect(modules).toEqual(['backend-memory', 'router-proxy', 'transport-cookie']);
    expect((await read('/v1/maxscale')).data.attributes.parameters).toEqual({});
  });

  test('refuses to set or switch what other processes would have to know', async () => {
    const { ask } = await alone();
    const body = JSON.stringify({ data: { attributes: { parameters: { session_trace: 1 } } } });
    for (const path of ['/v1/maxscale', '/v1/services/web']) {
      const response = await ask('PATCH', path, { as: ADMIN, body });
      expect([response.status, await errorsOf(response)]).toEqual([
        501,
        ['This process serves no sessions. Set it where they are served.'],
      ]);
    }
    for (const path of ['/v1/services/web/stop', '/v1/listeners/public/stop'])
      expect((await ask('PUT', path)).status).toBe(501);
  });
});
