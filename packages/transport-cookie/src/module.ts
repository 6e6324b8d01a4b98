import { CONTRACT_VERSION, type TransportModule } from '@sessionkit/session-core';
import { z } from 'zod';
import { type CookieTransportOptions, cookie } from './index.js';
import { PREFIXES } from './options.js';
import { cookieProblems } from './rules.js';

/** `cookie_options` of the YAML: the names of the cookie library, times in seconds. */
const options = {
  maxAge: z.number().int().positive().describe('`Max-Age`, in seconds. Default: what is left of the session'),
  expires: z.iso
    .datetime({ offset: true })
    .describe(
      '`Expires`, such as `2030-01-31T00:00:00Z`; alone it replaces `Max-Age`, beside `maxAge` both are sent, and browsers follow `Max-Age`. Default: not sent',
    ),
  path: z.string().describe('`Path`. Default: `/`'),
  domain: z.string().describe('`Domain`. Default: this host only'),
  secure: z
    .union([z.boolean(), z.literal('auto')])
    .describe(
      "`Secure`; `auto`: when the client's connection is encrypted, as far as trusted proxies tell. Default: `auto`",
    ),
  httpOnly: z.boolean().describe("`HttpOnly`: scripts of the page can't read it. Default: `true`"),
  sameSite: z
    .union([z.enum(['strict', 'lax', 'none']), z.boolean()])
    .describe('`SameSite`; `true` is `strict`, `false` leaves it out. Default: `lax`'),
  partitioned: z
    .boolean()
    .describe(
      '`Partitioned` (CHIPS): a jar for each embedding site; needs `sameSite: none`. Default: `false`',
    ),
  priority: z
    .enum(['low', 'medium', 'high'])
    .describe('`Priority`: which cookies Chromium drops first. Default: not sent'),
  prefix: z
    .enum(['none', ...PREFIXES])
    .describe('Put before the name; the browser then enforces what it promises. Default: `none`'),
};
const cookieName = z.string().describe('Name of the cookie, without its prefix. Default: `sxapi-sess`');
const cookieOptions = z.strictObject(options).partial().describe('Attributes of the cookie');

const config = z
  .strictObject({
    type: z.literal('cookie'),
    cookie_name: cookieName.optional(),
    cookie_options: cookieOptions.optional(),
  })
  .superRefine(
    (section, context) => {
      for (const { path, message } of cookieProblems(wellTyped(section))) {
        const [first, ...rest] = path;
        context.addIssue({
          code: 'custom',
          message,
          path: [first === 'name' ? 'cookie_name' : 'cookie_options', ...rest],
        });
      }
    },
    // A mistake in one option hides none in the others.
    { when: () => true },
  );

type Config = z.infer<typeof config>;

/** As much of the section as has the right types, in the names and units of the code. */
function wellTyped(section: unknown): CookieTransportOptions {
  const member = (of: unknown, name: string): unknown =>
    typeof of === 'object' && of !== null && Object.hasOwn(of, name) ? Reflect.get(of, name) : undefined;
  const name = cookieName.safeParse(member(section, 'cookie_name'));
  const given = member(section, 'cookie_options');
  const kept: Record<string, unknown> = {};
  for (const [option, schema] of Object.entries(options)) {
    const value = schema.safeParse(member(given, option));
    if (value.success) kept[option] = value.data;
  }
  return toOptions({ type: 'cookie', cookie_name: name.data, cookie_options: cookieOptions.parse(kept) });
}

function toOptions({ cookie_name, cookie_options = {} }: Config): CookieTransportOptions {
  const { maxAge, expires, ...rest } = cookie_options;
  return {
    name: cookie_name,
    options: {
      ...rest,
      maxAge: maxAge === undefined ? undefined : maxAge * 1_000,
      expires: expires === undefined ? undefined : new Date(expires),
    },
  };
}

export default {
  contract: CONTRACT_VERSION,
  kind: 'transport',
  type: 'cookie',
  config,
  create: (section) => cookie(toOptions(section)),
} satisfies TransportModule<Config>;
