import { aToken } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import module from '../src/module.js';

const problems = (section: unknown) =>
  (module.config.safeParse(section).error?.issues ?? []).map(
    ({ path, message }) => `${path.join('.')}: ${message}`,
  );

describe('the module for the YAML', () => {
  it('says what it is', () => {
    expect(module).toMatchObject({ contract: 1, kind: 'transport', type: 'cookie' });
  });

  it('makes the transport of the section, with times in seconds', () => {
    const section = module.config.parse({
      type: 'cookie',
      cookie_name: 'sid',
      cookie_options: { maxAge: 90, path: '/app', sameSite: 'strict' },
    });
    const token = aToken();
    expect(module.create(section).issue(token, 600, { secure: true })).toEqual([
      ['set-cookie', `sid=${token}; Max-Age=90; Path=/app; HttpOnly; Secure; SameSite=Strict`],
    ]);
  });

  it('takes an instant for expires', () => {
    const section = module.config.parse({
      type: 'cookie',
      cookie_options: { expires: '2130-01-31T01:00:00+01:00' },
    });
    expect(module.create(section).issue(aToken(), 600, { secure: true })[0]?.[1]).toContain(
      '; Expires=Tue, 31 Jan 2130 00:00:00 GMT;',
    );
  });

  it('needs nothing but its type', () => {
    expect(module.create(module.config.parse({ type: 'cookie' })).carrier.cookie).toBe('sxapi-sess');
  });

  it.each([
    [
      { type: 'cookie', cookie_options: { prefix: '__Host-', domain: 'a.b' } },
      'cookie_options.domain: is set, but',
    ],
    [
      { type: 'cookie', cookie_options: { sameSite: 'none', secure: false } },
      'cookie_options.sameSite: is none, but',
    ],
    [{ type: 'cookie', cookie_name: 'a b' }, 'cookie_name: may consist of'],
    [{ type: 'cookie', cookie_options: { samesite: 'lax' } }, 'cookie_options: Unrecognized key: "samesite"'],
    [{ type: 'cookie', name: 'sid' }, ': Unrecognized key: "name"'],
    [{ type: 'cookie', cookie_options: { maxAge: 0 } }, 'cookie_options.maxAge: Too small'],
    [
      { type: 'cookie', cookie_options: { maxAge: '60' } },
      'cookie_options.maxAge: Invalid input: expected number',
    ],
    [{ type: 'cookie', cookie_options: { expires: 'soon' } }, 'cookie_options.expires: Invalid ISO datetime'],
    [
      { type: 'cookie', cookie_options: { expires: '2020-01-31T00:00:00Z' } },
      'cookie_options.expires: is in the past, and',
    ],
    [{ type: 'cookie', cookie_options: [] }, 'cookie_options: Invalid input'],
    [{ type: 'token' }, 'type: Invalid input'],
    [null, ': Invalid input'],
    ['cookie', ': Invalid input'],
  ])('refuses %j with its path', (section, expected) => {
    const found = problems(section);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(expected);
  });

  it('tells all problems at once: a wrong type hides no bad combination', () => {
    const found = problems({
      type: 'cookie',
      cookie_name: 'a;b',
      cookie_options: {
        maxAge: 'x',
        samesite: 1,
        prefix: '__Host-',
        domain: 'example.org',
        path: 'x',
        secure: false,
      },
    });
    const paths = found.map((each) => each.split(':')[0]).sort();
    expect(paths).toEqual([
      'cookie_name',
      'cookie_options',
      'cookie_options.domain',
      'cookie_options.maxAge',
      'cookie_options.path',
      'cookie_options.path',
      'cookie_options.secure',
    ]);
  });

  it('describes itself as JSON Schema for editors', () => {
    const schema = z.toJSONSchema(module.config, { io: 'input' });
    expect(Object.keys(schema.properties ?? {})).toEqual(['type', 'cookie_name', 'cookie_options']);
    expect(schema.additionalProperties).toBe(false);
  });
});
