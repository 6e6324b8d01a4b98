import { testEnvironment } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import module from '../src/module.js';
import { serve } from './serve.js';

describe('the module for the YAML', () => {
  it('says what it is', () => {
    expect(module).toMatchObject({ contract: 1, kind: 'filter', type: 'limit' });
  });

  it('makes the filter of the section: seconds, and the clock of the environment', async () => {
    const environment = testEnvironment();
    const section = { type: 'limit', rate: { requests: 1, per: 0.5 }, concurrency: 7 };
    const filter = module.create(module.config.parse(section), { environment, name: 'gentle' });
    const { url } = await serve(filter);
    const statuses = [(await fetch(url)).status, (await fetch(url)).status];
    await environment.advance(500);
    expect([...statuses, (await fetch(url)).status]).toEqual([200, 429, 200]);
    expect(filter.diagnostics?.()).toMatchObject({ passed: 2, refused_by_rate: 1 });
  });

  it('takes a second when it is not said in what time', () => {
    const { rate } = module.config.parse({ type: 'limit', rate: { requests: 5 } });
    expect(rate).toEqual({ requests: 5, per: 1 });
  });

  it.each([
    [{ type: 'limit' }, [], /limits nothing: add `rate: /],
    [{ type: 'limit', rate: {} }, ['rate', 'requests'], /expected number/],
    [{ type: 'limit', rate: { requests: 0 } }, ['rate', 'requests'], />0/],
    [{ type: 'limit', rate: { requests: 1, per: 0 } }, ['rate', 'per'], />0/],
    [{ type: 'limit', concurrency: 1.5 }, ['concurrency'], /expected int/],
    [{ type: 'limit', concurrency: 1, queue: 5 }, [], /Unrecognized key: "queue"/],
    [{ type: 'log', concurrency: 1 }, ['type'], /expected "limit"/],
  ])('refuses %j with its path', (section, path, message) => {
    const issues = module.config.safeParse(section).error?.issues ?? [];
    expect(issues).toHaveLength(1);
    expect(issues[0]?.path).toEqual(path);
    expect(issues[0]?.message).toMatch(message);
  });

  it('describes itself as JSON Schema for editors', () => {
    const schema = z.toJSONSchema(module.config, { io: 'input' });
    expect(Object.keys(schema.properties ?? {})).toEqual(['type', 'rate', 'concurrency']);
  });
});
