import { describe, expect, it } from 'vitest';
import { configSchema, type JsonSchema } from '../src/index.js';
import { schemasAt } from '../src/schema-view.js';
import { conditions, home } from './reading.js';

describe('the JSON Schema for editors', () => {
  const schema = configSchema({ folder: home, conditions });

  it('is a draft 2020-12 document of the whole file, and plain JSON', async () => {
    const json = await schema;
    expect(json.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(JSON.parse(JSON.stringify(json))).toEqual(json);
    expect(JSON.stringify(json)).not.toContain('x-module');
    expect(Object.keys(json.properties ?? {})).toEqual([
      'session',
      'resources',
      'servers',
      'filters',
      'services',
      'listeners',
      'trust_proxy',
      'admin',
      'drain_timeout',
      'store_deadline',
    ]);
    expect([json.required, json.additionalProperties]).toEqual([['services'], false]);
  });

  it('describes the sections of the modules that are installed, at the top and in a service', async () => {
    const names = (path: string[]) => async () =>
      schemasAt(await schema, path).flatMap(({ properties = {} }: JsonSchema) => Object.keys(properties));
    for (const start of [['session'], ['services', 'shop', 'session']]) {
      expect(await names([...start, 'transport'])()).toEqual(
        expect.arrayContaining(['cookie_name', 'cookie_options', 'param']),
      );
      expect(await names([...start, 'backend'])()).toEqual(
        expect.arrayContaining(['sid_field', 'fields', 'max_sessions']),
      );
    }
  });

  it('knows the types of modules that are not installed, and leaves room for those of others', async () => {
    const types = schemasAt(await schema, ['session', 'backend', 'type']);
    expect(types.map((type) => type.const).filter(Boolean)).toEqual([
      'memory',
      'redis',
      'postgres',
      'mysql',
      'memcache',
      'couchbase',
    ]);
    expect(types.some(({ pattern }) => pattern === '[./]')).toBe(true);
  });

  it('lets an environment variable stand for a number', async () => {
    const port = schemasAt(await schema, ['listeners', 'public', 'port']);
    expect(port.map(({ type }) => type)).toEqual(expect.arrayContaining(['integer', 'string']));
  });
});
