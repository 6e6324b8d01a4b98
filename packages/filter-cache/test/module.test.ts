import { testEnvironment } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import module from '../src/module.js';
import { serve } from './serve.js';

describe('the module for the YAML', () => {
  it('says what it is', () => {
    expect(module).toMatchObject({ contract: 1, kind: 'filter', type: 'cache' });
  });

  it('makes the filter of the section: seconds, and the clock of the environment', async () => {
    const environment = testEnvironment();
    const section = { type: 'cache', per_session: { entries: 1 }, ttl: 5 };
    const filter = module.create(module.config.parse(section), { environment, name: 'answers' });
    const { get } = await serve({ 'Cache-Control': 'max-age=60' }, { filter });
    await get('/a');
    await environment.advance(4_000);
    expect((await get('/a')).age).toBe('4');
    await environment.advance(1_000);
    expect((await get('/a')).age).toBeNull();
    await get('/b');
    expect(filter.diagnostics?.()).toMatchObject({ entries: 1, hits: 1, stored: 3 });
  });

  it('has bounds when none are named', () => {
    expect(module.config.parse({ type: 'cache', total: { entries: 5 } })).toEqual({
      type: 'cache',
      per_session: { entries: 100, bytes: 1_048_576 },
      total: { entries: 5, bytes: 67_108_864 },
    });
  });

  it.each([
    [{ type: 'cache', ttl: 0 }, ['ttl'], />0/],
    [{ type: 'cache', total: { entries: 0 } }, ['total', 'entries'], />0/],
    [{ type: 'cache', per_session: { size: 1 } }, ['per_session'], /Unrecognized key: "size"/],
    [{ type: 'cache', shared: true }, [], /Unrecognized key: "shared"/],
    [{ type: 'log' }, ['type'], /expected "cache"/],
  ])('refuses %j with its path', (section, path, message) => {
    const issues = module.config.safeParse(section).error?.issues ?? [];
    expect(issues).toHaveLength(1);
    expect(issues[0]?.path).toEqual(path);
    expect(issues[0]?.message).toMatch(message);
  });

  it('describes itself as JSON Schema for editors', () => {
    const schema = z.toJSONSchema(module.config, { io: 'input' });
    expect(Object.keys(schema.properties ?? {})).toEqual(['type', 'per_session', 'total', 'ttl']);
    expect(schema.required).toEqual(['type']);
  });
});
