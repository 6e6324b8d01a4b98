import { cookieCarriage, transportSuite } from '@sessionkit/testkit';
import { describe, it } from 'vitest';
import { type CookieAttributes, cookie } from '../src/index.js';

const configurations: Record<string, CookieAttributes> = {
  'by default': {},
  'for one host only': { prefix: '__Host-' },
  'for a domain and a path': { prefix: '__Secure-', domain: 'example.org', path: '/app', sameSite: 'strict' },
  'embedded in other sites': { sameSite: 'none', partitioned: true, priority: 'high' },
};

describe.each(Object.entries(configurations))('conformance %s', (_, options) => {
  const prefix = options.prefix ?? '';
  const kit = { create: () => cookie({ name: 'sid', options }), ...cookieCarriage(`${prefix}sid`) };
  for (const one of transportSuite(kit)) it(one.name, () => one.run(kit));
});
