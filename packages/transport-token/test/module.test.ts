import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import module from '../src/module.js';

describe('the module for the YAML', () => {
  it('says what it is', () => {
    expect(module).toMatchObject({ contract: 1, kind: 'transport', type: 'token' });
  });

  it('makes the transport of the section', () => {
    expect(module.create(module.config.parse({ type: 'token', param: 'sid' })).carrier.query).toBe('sid');
    expect(module.create(module.config.parse({ type: 'token' })).carrier.query).toBe('_token');
  });

  it.each([
    [{ type: 'token', param: 'a b' }, ['param'], /^is 1 to 64 letters, digits and \. _ ~ - such as _token$/],
    [{ type: 'token', param: 7 }, ['param'], /expected string/],
    [{ type: 'token', name: 'sid' }, [], /Unrecognized key: "name"/],
    [{ type: 'cookie' }, ['type'], /expected "token"/],
    [{}, ['type'], /expected "token"/],
  ])('refuses %j with its path', (section, path, message) => {
    const issues = module.config.safeParse(section).error?.issues ?? [];
    expect(issues).toHaveLength(1);
    expect(issues[0]?.path).toEqual(path);
    expect(issues[0]?.message).toMatch(message);
  });

  it('describes itself as JSON Schema for editors', () => {
    const schema = z.toJSONSchema(module.config, { io: 'input' });
    expect(Object.keys(schema.properties ?? {})).toEqual(['type', 'param']);
  });
});
