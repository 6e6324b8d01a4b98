import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import module from '../src/module.js';

describe('the module for the YAML', () => {
  it('says what it is', () => {
    expect(module).toMatchObject({ contract: 1, kind: 'transport', type: 'bearer' });
  });

  it('makes the transport of the section', () => {
    const transport = module.create(module.config.parse({ type: 'bearer', realm: 'shop' }));
    expect(transport.challenge('session_required', false)).toEqual([
      ['www-authenticate', 'Bearer realm="shop"'],
    ]);
    expect(module.create(module.config.parse({ type: 'bearer' })).type).toBe('bearer');
  });

  it.each([
    [
      { type: 'bearer', realm: 'ä' },
      ['realm'],
      /^is 1 to 255 printable characters of US-ASCII; leave it out for none$/,
    ],
    [{ type: 'bearer', realm: 7 }, ['realm'], /expected string/],
    [{ type: 'bearer', header: 'x' }, [], /Unrecognized key: "header"/],
    [{ type: 'cookie' }, ['type'], /expected "bearer"/],
    [{}, ['type'], /expected "bearer"/],
  ])('refuses %j with its path', (section, path, message) => {
    const issues = module.config.safeParse(section).error?.issues ?? [];
    expect(issues).toHaveLength(1);
    expect(issues[0]?.path).toEqual(path);
    expect(issues[0]?.message).toMatch(message);
  });

  it('describes itself as JSON Schema for editors', () => {
    const schema = z.toJSONSchema(module.config, { io: 'input' });
    expect(Object.keys(schema.properties ?? {})).toEqual(['type', 'realm']);
  });
});
