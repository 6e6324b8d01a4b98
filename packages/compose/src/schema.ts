import { SITE_DATA } from '@sessionkit/session-core';
import * as z from 'zod';
import {
  checkAddress,
  checkCidr,
  checkHost,
  checkListen,
  checkLoginUrl,
  checkName,
  checkOrigin,
  checkPrefix,
  checkServerUrl,
  type TextCheck,
} from './checks.js';

/** A hundred years: what lies above is a mistake, and far below what a Date can hold. */
const LONGEST = 3_155_760_000;

/** What is shown as the default of a key that core has one for. */
const usually = (value?: unknown) => (value === undefined ? {} : { default: value });

const seconds = (description: string, example: number, usual?: number) =>
  z
    .number()
    .min(0.001)
    .max(LONGEST)
    .meta({ description, examples: [example], ...usually(usual) });

function text(check: TextCheck, description: string, example: string) {
  return z
    .string()
    .superRefine((value, context) => {
      const found = check(value);
      if (found) context.addIssue({ code: 'custom', message: found.message, params: { fix: found.fix } });
    })
    .meta({ description, examples: [example] });
}

const mode = z.enum(['required', 'optional', 'none']).meta({
  description: 'whether a session is needed; "none": tokens are not even looked at',
  examples: ['required'],
});

const loginUrl = text(
  checkLoginUrl,
  'where a browser without a required session is sent instead of a 401',
  '/login',
);

const limit = (description: string) =>
  z
    .int()
    .min(1)
    .meta({ description, examples: [300] });

/** Marks a section that belongs to a module: the module's own schema checks the rest. */
export const MODULE_MARK = 'x-module';

const section = (
  kind: 'transport' | 'backend' | 'router' | 'filter',
  example: string,
  description?: string,
) =>
  z.looseObject({ type: z.string().meta({ description: `which ${kind}`, examples: [example] }) }).meta({
    [MODULE_MARK]: kind,
    examples: [{ type: example }],
    ...(description === undefined ? {} : { description }),
  });

const transport = section('transport', 'cookie');

export const sessionSchema = z.strictObject({
  duration: seconds('seconds a session may live from its start or login', 3600, 3600).optional(),
  idle_timeout: seconds('seconds a session may go unused. Default: `duration`', 900).optional(),
  anonymous_idle: seconds(
    'the same while nobody has logged in and nothing was set. Default: `idle_timeout`',
    300,
  ).optional(),
  auto_create: z
    .union([z.boolean(), z.literal('on_write')])
    .meta({
      description: 'whether a request without a token gets a session; "on_write": once something is set',
      examples: [true],
      default: false,
    })
    .optional(),
  on_dead: z
    .enum(['error', 'renew'])
    .meta({
      description: 'what a token of an ended session gets: a 401 once, or what no token gets',
      examples: ['error'],
      default: 'error',
    })
    .optional(),
  keep_ended: z
    .number()
    .min(0)
    .max(LONGEST)
    .meta({
      description: 'seconds an ended session stays visible with its cause',
      examples: [3600],
      default: 3600,
    })
    .optional(),
  max_data: z
    .int()
    .min(2)
    .meta({
      description: 'largest data of a session in bytes of JSON',
      examples: [262_144],
      default: 262_144,
    })
    .optional(),
  max_per_user: z
    .strictObject({
      max: z
        .int()
        .min(1)
        .meta({ description: 'sessions of one user', examples: [3] }),
      full: z
        .enum(['refuse', 'oldest'])
        .meta({ description: 'refuse the login, or end the oldest session', examples: ['oldest'] }),
    })
    .meta({ description: 'how many sessions one user may have', examples: [{ max: 3, full: 'oldest' }] })
    .optional(),
  share: text(
    checkName,
    'services that say the same group use the same sessions. Default: the name of the service',
    'main',
  ).optional(),
  allow_origins: z
    .array(text(checkOrigin, 'an origin', 'https://app.example.com'))
    .meta({
      description: 'foreign origins whose unsafe requests are allowed',
      examples: [['https://app.example.com']],
    })
    .optional(),
  clear_site_data: z
    .array(z.enum(SITE_DATA))
    .min(1)
    .meta({
      description: 'what the answer of a logout tells a browser to drop of this site',
      examples: [['storage']],
    })
    .optional(),
  login_url: loginUrl.optional(),
  mode: mode.meta({ default: 'optional' }).optional(),
  paths: z
    .array(
      z
        .strictObject({
          prefix: text(checkPrefix, 'whole path segments; the longest prefix wins', '/app'),
          mode,
          login_url: loginUrl.optional(),
        })
        .meta({ examples: [{ prefix: '/app', mode: 'required' }] }),
    )
    .meta({ description: 'rules per path', examples: [[{ prefix: '/app', mode: 'required' }]] })
    .optional(),
  limits: z
    .union([
      z.literal(false),
      z.strictObject({
        creations: limit('sessions created per client address and minute').default(300),
        failed_tokens: limit('tokens refused per client address and minute').default(300),
      }),
    ])
    .meta({
      description: 'per client address and minute; false switches them off',
      examples: [{ creations: 300, failed_tokens: 300 }],
    })
    .optional(),
  transport: z
    .union([z.null(), transport, z.array(transport).min(1)])
    .meta({
      description: 'how the token travels: one transport, or a list; default: cookie, with a warning',
      examples: [{ type: 'cookie' }],
    })
    .optional(),
  backend: z
    .union([z.null(), section('backend', 'memory')])
    .meta({
      description: 'where sessions are kept; default: memory, with a warning',
      examples: [{ type: 'memory' }],
    })
    .optional(),
});

export const serverSchema = z.strictObject({
  url: text(checkServerUrl, 'scheme, host and port of the upstream', 'http://127.0.0.1:9001'),
  steer: z
    .boolean()
    .default(false)
    .meta({ description: 'its answers may log in, change data and log out', examples: [true] }),
});

export const serviceSchema = z.strictObject({
  session: z
    .union([z.literal(false), sessionSchema])
    .meta({ description: 'what differs from the top-level session; false: stateless' })
    .optional(),
  router: section(
    'router',
    'proxy',
    'what is done with requests; a service without one is for a program that answers by itself',
  ).optional(),
  filters: z
    .array(z.string())
    .meta({ description: 'names of the filters around each session, in order', examples: [['limit1']] })
    .optional(),
  queries: z
    .strictObject({
      parameters: z
        .enum(['names', 'none'])
        .meta({ description: 'whether the names of all query parameters are shown', examples: ['names'] })
        .default('none'),
      values: z
        .array(z.string().min(1))
        .meta({ description: 'query parameters that are shown with their values', examples: [['page']] })
        .default([]),
    })
    .meta({
      description: 'what operators see of the query of a request; never a token',
      examples: [{ parameters: 'names', values: ['page'] }],
    })
    .optional(),
});

export const listenerSchema = z.strictObject({
  service: z.string().meta({ description: 'name of a service', examples: ['shop'] }),
  address: text(checkAddress, 'where to listen', '127.0.0.1').default('127.0.0.1'),
  port: z
    .int()
    .min(0)
    .max(65_535)
    .meta({ description: '0: one that is free', examples: [8080] }),
});

const file = (description: string, example: string) =>
  z
    .string()
    .min(1)
    .meta({ description: `${description}, beside this file`, examples: [example] });

const tlsSchema = z.strictObject({
  cert: file('PEM file of the certificate and those that vouch for it', './admin.crt'),
  key: file('PEM file of its private key', './admin.key'),
  ca: file(
    'PEM file of authorities: then only clients with a certificate of theirs are let in',
    './clients.crt',
  ).optional(),
  min_version: z
    .enum(['TLSv1.2', 'TLSv1.3'])
    .meta({ description: 'the oldest version of TLS that is spoken', examples: ['TLSv1.3'] })
    .default('TLSv1.2'),
});

export const adminSchema = z.strictObject({
  listen: z
    .union([z.literal(false), text(checkListen, 'address and port', '127.0.0.1:8989')])
    .meta({ description: 'where the admin API listens; false: not at all', examples: ['127.0.0.1:8989'] })
    .default('127.0.0.1:8989'),
  users_file: z
    .string()
    .min(1)
    .meta({ description: 'users and their password hashes', examples: ['./sessionkit-users.json'] })
    .default('./sessionkit-users.json'),
  hosts: z
    .array(text(checkHost, 'a host name without port', 'admin.example.com'))
    .meta({
      description: 'host names under which it may be called, besides those of this machine and of `listen`',
      examples: [['admin.example.com']],
    })
    .default([]),
  tls: tlsSchema
    .meta({ description: 'speak HTTPS', examples: [{ cert: './admin.crt', key: './admin.key' }] })
    .optional(),
  insecure: z
    .boolean()
    .meta({
      description: 'allow it beyond this machine without TLS, although passwords then travel in the clear',
      examples: [true],
    })
    .default(false),
  basic_sees_activity: z
    .boolean()
    .meta({ description: 'show users that may only read what clients do, too', examples: [true] })
    .default(false),
  show_data: z
    .boolean()
    .meta({ description: 'show the data of sessions, and not only the names of its keys', examples: [true] })
    .default(false),
});

export const resourceSchema = z
  .looseObject({ _class: z.string().meta({ description: 'kind of store', examples: ['redis'] }) })
  .meta({ [MODULE_MARK]: 'resource' });

const named = <T extends z.ZodType>(value: T, description: string) =>
  z.record(z.string(), value).meta({ description }).optional();

/** As much of a filter's section as is the same for all. */
export const filterSchema = z.object({ type: z.string() });

/** The whole file, as editors see it. The reading itself goes piece by piece, so that all problems are found at once. */
export const fileSchema = z.strictObject({
  session: z
    .union([z.literal(false), sessionSchema])
    .meta({
      description: 'sessions of services that do not say otherwise; false: stateless. Default: stateless',
    })
    .optional(),
  resources: named(resourceSchema, 'stores that backends use, by name'),
  servers: named(serverSchema, 'upstreams, by name'),
  filters: named(section('filter', 'log'), 'what sees the requests of a session, by name'),
  services: z.record(z.string(), serviceSchema).meta({ description: 'what is served, by name' }),
  listeners: named(listenerSchema, 'where services are reached, by name'),
  trust_proxy: z
    .array(text(checkCidr, 'an address or a range of them', '10.0.0.0/8'))
    .meta({
      description: 'proxies whose Forwarded and X-Forwarded-* are believed',
      examples: [['10.0.0.0/8']],
    })
    .optional(),
  admin: z
    .union([z.literal(false), adminSchema])
    .meta({
      description: 'the admin API; false: none. Default: on `127.0.0.1:8989`',
      examples: [{ listen: '127.0.0.1:8989' }],
    })
    .optional(),
  drain_timeout: z
    .number()
    .min(0)
    .max(3600)
    .meta({
      description: 'seconds that requests in flight have to finish at the end',
      examples: [10],
      default: 10,
    })
    .optional(),
  store_deadline: z
    .number()
    .min(0.001)
    .max(60)
    .meta({ description: 'seconds a store has to answer', examples: [2], default: 2 })
    .optional(),
});

export type SessionFields = Partial<z.output<typeof sessionSchema>>;
