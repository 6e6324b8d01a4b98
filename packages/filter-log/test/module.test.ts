import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import module from '../src/module.js';

describe('the module for the YAML', () => {
  it('says what it is', () => {
    expect(module).toMatchObject({ contract: 1, kind: 'filter', type: 'log' });
  });

  it('makes the filter of the section', () => {
    const filter = module.create(module.config.parse({ type: 'log' }));
    expect(filter).toMatchObject({ type: 'log' });
    expect(filter.diagnostics?.()).toEqual({ lines: 0 });
  });

  it.each([
    [{ type: 'log', level: 'loud' }, ['level'], /expected one of/],
    [{ type: 'log', name: 'x' }, [], /Unrecognized key: "name"/],
    [{ type: 'cache' }, ['type'], /expected "log"/],
  ])('refuses %j with its path', (section, path, message) => {
    const issues = module.config.safeParse(section).error?.issues ?? [];
    expect(issues).toHaveLength(1);
    expect(issues[0]?.path).toEqual(path);
    expect(issues[0]?.message).toMatch(message);
  });

  it('describes itself as JSON Schema for editors', () => {
    const schema = z.toJSONSchema(module.config, { io: 'input' });
    expect(Object.keys(schema.properties ?? {})).toEqual(['type', 'level']);
  });
});
