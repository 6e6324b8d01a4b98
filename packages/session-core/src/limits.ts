import { isIPv6 } from 'node:net';
import type { Environment, Millis } from './environment.js';
import type { LimitOptions, VisitRequest } from './service.js';

const WINDOW: Millis = 60_000;
const MAX_ADDRESSES = 100_000;
const PRIVATE =
  /^(?:127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.|::1$|f[cd]|fe80:|::ffff:(?:127|10|192\.168)\.)/i;

/** The part of an address that stands for one client: IPv4 whole, IPv6 its /64, which one client has for itself. */
export function clientKey(ip: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip);
  if (mapped?.[1] !== undefined) return mapped[1];
  if (!isIPv6(ip)) return ip;
  // A URL writes an address in its shortest form.
  const { hostname } = new URL(`http://[${ip.replace(/%.*$/, '')}]`);
  const [head = '', tail] = hostname.slice(1, -1).split('::');
  const front = head.split(':').filter(Boolean);
  const back = (tail ?? '').split(':').filter(Boolean);
  const zeros = tail === undefined ? 0 : 8 - front.length - back.length;
  return `${[...front, ...Array<string>(zeros).fill('0'), ...back].slice(0, 4).join(':')}::/64`;
}

/** Counts creations and refused tokens per client address in windows of a minute, before anything reaches the store. */
export class Limits {
  readonly #options: LimitOptions;
  readonly #environment: Environment;
  readonly #service: string;
  #counts = new Map<string, { creations: number; failedTokens: number }>();
  #since: Millis;
  #warned = false;

  constructor(service: string, options: LimitOptions, environment: Environment) {
    this.#service = service;
    this.#options = options;
    this.#environment = environment;
    this.#since = environment.now();
  }

  /** Seconds to wait when the client is over a limit; undefined when it may go on. */
  over(request: VisitRequest, what: keyof LimitOptions): number | undefined {
    const key = this.#key(request);
    if (key === undefined) return undefined;
    const now = this.#environment.now();
    if (now - this.#since >= WINDOW || now < this.#since) {
      this.#counts = new Map();
      this.#since = now;
    }
    const count = this.#counts.get(key)?.[what] ?? 0;
    if (count < this.#options[what]) return undefined;
    return Math.max(1, Math.ceil((this.#since + WINDOW - now) / 1000));
  }

  count(request: VisitRequest, what: keyof LimitOptions): void {
    const key = this.#key(request);
    if (key === undefined) return;
    let counts = this.#counts.get(key);
    if (counts === undefined) {
      // So many addresses within a minute are an attack; forgetting the counts keeps memory bounded.
      if (this.#counts.size >= MAX_ADDRESSES) this.#counts = new Map();
      counts = { creations: 0, failedTokens: 0 };
      this.#counts.set(key, counts);
    }
    counts[what] += 1;
  }

  #key(request: VisitRequest): string | undefined {
    if (!request.untrustedProxy) return clientKey(request.client().ip);
    if (!this.#warned) {
      this.#warned = true;
      const { ip } = request.client();
      this.#environment.log({
        level: 'warning',
        service: this.#service,
        message: `${ip} forwards requests for others but is not trusted, so they are not limited by client address; name it in trust_proxy, such as trust_proxy: ["${ip}"]`,
      });
    }
    return undefined;
  }
}

/** Whether an address is a loopback, private or link-local one. */
export function isPrivateAddress(ip: string): boolean {
  return PRIVATE.test(ip);
}
