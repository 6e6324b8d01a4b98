import cluster from 'node:cluster';
import type { Backend } from './backend.js';
import type { Environment } from './environment.js';
import type { ServiceOptions, VisitRequest } from './service.js';
import type { Settings } from './settings.js';
import type { HeaderField } from './transport.js';

/** The hints by their names, with what each has to be told. */
interface HintParts {
  late_change: [];
  secure_over_http: [host: string];
  untrusted_proxy: [ip: string];
  no_credentials: [origin: string];
  memory_of_one: [type: string];
  session_for_file: [path: string];
  lossy_value: [key: string, what: string, kept: string];
  seconds_as_millis: [service: string, option: string, value: number];
}
export type Hint = keyof HintParts;

/** What newcomers trip on, each in words that say what is lost and what to do. */
const TEXTS: { readonly [Name in Hint]: (...parts: HintParts[Name]) => string } = {
  late_change: () =>
    'a session was changed after the head of its answer (or the 101 of its socket) had gone out, and the change was never stored: call `await session.commit()` after it',
  secure_over_http: (host) =>
    `a cookie with Secure was sent over http to ${host}, and browsers drop it: use https; or, if a proxy in front of this server does, name the proxy in trustProxy (YAML: trust_proxy); or leave out of the cookie what asks for Secure (secure: true, sameSite: 'none', partitioned, a prefix)`,
  untrusted_proxy: (ip) =>
    `${ip} forwards requests for others but is not trusted, so they are not limited by client address, and what it says of their address, host and scheme is not believed; name it in trust_proxy, such as trust_proxy: ["${ip}"] (in code trustProxy: ['${ip}'])`,
  no_credentials: (origin) =>
    `${origin}, which allowOrigins names, sent a request without any cookie: to another origin fetch sends them only with credentials: 'include', and browsers only those with sameSite: 'none'`,
  memory_of_one: (type) =>
    `the backend ${type} keeps sessions in this process, and it is one of several (node:cluster or pm2), which do not know each other's: use a backend that they share, such as redis`,
  session_for_file: (path) =>
    `a session was created for ${path}: serve files before the session middleware, or set autoCreate to 'on_write'`,
  lossy_value: (key, what, kept) =>
    `session.set(${JSON.stringify(key)}, …) was given ${what}, of which JSON keeps ${kept}: store plain objects, arrays, strings, numbers, booleans and null, and make the rest of them when you read`,
  seconds_as_millis: (service, option, value) =>
    `service "${service}": ${option} is ${value} ms, which is ${value / 1000} s: times in code are in milliseconds; for ${value} seconds write ${value} * 1000`,
};

/** Not in production. Settled when the package is loaded, so that a request costs nothing for it there. */
const hinting = process.env.NODE_ENV !== 'production';
const GIVEN: unique symbol = Symbol.for('sessionkit.hints');
const shared = globalThis as { [GIVEN]?: Set<Hint> };
shared[GIVEN] ??= new Set();
/** Of the process: copies of this package (ESM and CommonJS) share it. */
const given = shared[GIVEN];

/** Whether a hint may still be given: asked before anything is done for it. */
export function wants(hint: Hint): boolean {
  return hinting && !given.has(hint);
}

/** Logs a hint, once in a process and not in production. For session-core and whoever finds out: integrations, transports, backends. */
export function hint<Name extends Hint>(
  { log }: Pick<Environment, 'log'>,
  name: Name,
  ...parts: HintParts[Name]
): void {
  if (!wants(name)) return;
  given.add(name);
  log({ level: 'warning', message: `hint: ${hintText(name, ...parts)}` });
}

export function hintText<Name extends Hint>(name: Name, ...parts: HintParts[Name]): string {
  return TEXTS[name](...parts);
}

const LOOPBACK = /^(?:localhost|.*\.localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?$/i;

/** Fields that hand a token out. To a loopback address most browsers send Secure cookies over http, too. */
export function hintOfSecure(
  environment: Pick<Environment, 'log'>,
  request: Pick<VisitRequest, 'secure' | 'host'>,
  fields: readonly HeaderField[],
): void {
  if (!wants('secure_over_http') || request.secure) return;
  const { host } = request;
  if (host === undefined || LOOPBACK.test(host)) return;
  const lost = ([name, value]: HeaderField) => /^set-cookie$/i.test(name) && /;\s*secure\b/i.test(value);
  if (fields.some(lost)) hint(environment, 'secure_over_http', host);
}

/** A request of another origin that may send cookies and has none. */
export function hintOfCredentials(
  environment: Pick<Environment, 'log'>,
  request: VisitRequest,
  { ambient, allowOrigins }: Settings,
): void {
  if (!wants('no_credentials') || !ambient || allowOrigins.size === 0) return;
  const origin = request.header('origin');
  if (origin === undefined || !allowOrigins.has(origin) || request.header('cookie') !== undefined) return;
  const site = request.header('sec-fetch-site');
  if (site === undefined || site === 'same-origin' || site === 'none') return;
  hint(environment, 'no_credentials', origin);
}

/** node:cluster is also what pm2 uses in its cluster mode; in its fork mode it numbers the processes. */
export function hintOfMemory(environment: Pick<Environment, 'log'>, { traits, type }: Backend): void {
  if (!wants('memory_of_one') || traits.shared) return;
  if (cluster.isWorker || Number(process.env.NODE_APP_INSTANCE ?? 0) > 0)
    hint(environment, 'memory_of_one', type);
}

const FILE = /\.(?:css|m?js|map|png|jpe?g|gif|svg|webp|avif|ico|woff2?|ttf|mp4|webm|mp3)$/i;

/** A session that nothing asked for but `autoCreate`. */
export function hintOfFile(environment: Pick<Environment, 'log'>, { path }: VisitRequest): void {
  if (wants('session_for_file') && FILE.test(path)) hint(environment, 'session_for_file', path);
}

/** Times that are whole minutes of seconds, and no whole seconds of milliseconds. */
export function hintOfTimes(
  environment: Pick<Environment, 'log'>,
  service: string,
  options: ServiceOptions,
): void {
  if (!wants('seconds_as_millis')) return;
  for (const option of ['duration', 'idleTimeout', 'anonymousIdle', 'keepEnded'] as const) {
    const value = options[option];
    if (value !== undefined && value >= 60 && value % 60 === 0 && value % 1000 !== 0)
      hint(environment, 'seconds_as_millis', service, option, value);
  }
}

export function hintOfLoss(environment: Pick<Environment, 'log'>, key: string, value: unknown): void {
  const loss = lossOf(value);
  if (loss !== undefined) hint(environment, 'lossy_value', key, ...loss);
}

/** What JSON does not keep of a value that it can hold: the first such thing in it, and what is left of that. */
function lossOf(value: unknown): readonly [what: string, kept: string] | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : [String(value), 'null'];
  if (typeof value !== 'object' || value === null) return undefined;
  if (value instanceof Map || value instanceof Set) return [`a ${value.constructor.name}`, '{}'];
  if (value instanceof Date) return ['a Date', 'a string'];
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== null && prototype !== Object.prototype)
    return [`an instance of the class ${value.constructor.name}`, 'a plain object without its methods'];
  for (const member of Object.values(value)) {
    const loss = lossOf(member);
    if (loss !== undefined) return loss;
  }
  return undefined;
}
