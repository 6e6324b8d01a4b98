import { isIPv6 } from 'node:net';
import type { Environment, Millis } from './environment.js';
import { hintText } from './hints.js';
import type { LimitOptions, VisitRequest } from './service.js';

const WINDOW: Millis = 60_000;
const MAX_ADDRESSES = 100_000;
const PRIVATE =
  /^(?:127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.|::1$|f[cd]|fe80:|::ffff:(?:127|10|192\.168)\.)/i;

/** The part of an address that stands for one client: IPv4 whole, IPv6 its /64, which one client has for itself. */
export function clientKey(ip: string): string {
  if (!isIPv6(ip)) return ip;
  // A URL writes an address in its shortest form.
  const { hostname } = new URL(`http://[${ip.replace(/%.*$/, '')}]`);
  const embedded = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname);
  if (embedded !== null) {
    const bytes = [embedded[1], embedded[2]].flatMap((group) => {
      const number = Number.parseInt(group ?? '0', 16);
      return [number >> 8, number & 255];
    });
    return bytes.join('.');
  }
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
  readonly #counts = { creations: new Map<string, number>(), failedTokens: new Map<string, number>() };
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
    const counts = this.#counts[what];
    // Nearly always so for refused tokens: nothing to look up.
    if (counts.size === 0) return undefined;
    const now = this.#environment.now();
    if (now - this.#since >= WINDOW || now < this.#since) {
      for (const each of Object.values(this.#counts)) each.clear();
      this.#since = now;
      return undefined;
    }
    const key = this.#key(request);
    if (key === undefined || (counts.get(key) ?? 0) < this.#options[what]) return undefined;
    return Math.max(1, Math.ceil((this.#since + WINDOW - now) / 1000));
  }

  /** Answers how to take it back, should it turn out that nothing of the kind happened. */
  count(request: VisitRequest, what: keyof LimitOptions): () => void {
    const key = this.#key(request);
    if (key === undefined) return () => undefined;
    const counts = this.#counts[what];
    if (counts.size === 0 && this.#isEmpty()) this.#since = this.#environment.now();
    // So many addresses within a minute are an attack; forgetting the counts keeps memory bounded.
    if (counts.size >= MAX_ADDRESSES) counts.clear();
    counts.set(key, (counts.get(key) ?? 0) + 1);
    const since = this.#since;
    return () => {
      if (this.#since === since) less(counts, key);
    };
  }

  #isEmpty(): boolean {
    return Object.values(this.#counts).every(({ size }) => size === 0);
  }

  #key(request: VisitRequest): string | undefined {
    if (!request.untrustedProxy) return clientKey(request.client().ip);
    if (!this.#warned) {
      this.#warned = true;
      const { ip } = request.client();
      this.#environment.log({
        level: 'warning',
        service: this.#service,
        message: hintText('untrusted_proxy', ip),
      });
    }
    return undefined;
  }
}

function less(counts: Map<string, number>, key: string): void {
  const left = (counts.get(key) ?? 0) - 1;
  if (left > 0) counts.set(key, left);
  else counts.delete(key);
}

/** Whether an address is a loopback, private or link-local one. */
export function isPrivateAddress(ip: string): boolean {
  return PRIVATE.test(ip);
}
