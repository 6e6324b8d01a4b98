import { BlockList, isIP } from 'node:net';
import { SessionError } from './errors.js';
import { isPrivateAddress } from './limits.js';

/** Whether an address is that of a trusted proxy, which may speak for the addresses behind it. */
export type Trust = (address: string) => boolean;

/**
 * Compiles the list of trusted proxies: IP addresses and CIDR ranges. Undefined when nobody is trusted, which makes the look-up cheap.
 * @throws SessionError `CONFIG_INVALID` when it is no such list.
 */
export function trustedProxies(ranges: unknown): Trust | undefined {
  if (ranges === undefined) return undefined;
  if (!Array.isArray(ranges) || !ranges.every((range) => typeof range === 'string')) {
    throw new SessionError(
      'CONFIG_INVALID',
      `trustProxy must list the addresses of your proxies, such as ['10.0.0.0/8']; ${JSON.stringify(ranges)} would let any client claim any address`,
    );
  }
  if (ranges.length === 0) return undefined;
  const list = new BlockList();
  for (const range of ranges) addRange(list, range);
  return (address) => {
    const family = isIP(address);
    return family !== 0 && list.check(address.replace(/%.*$/, ''), family === 6 ? 'ipv6' : 'ipv4');
  };
}

function addRange(list: BlockList, range: string): void {
  const [, given = '', bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(range) ?? [];
  const address = plainAddress(given);
  const family = isIP(address);
  // An IPv4 range in IPv6 form counts the 96 bits before it.
  const length = bits === undefined ? undefined : Number(bits) - (address === given ? 0 : 96);
  if (family === 0 || (length !== undefined && (length < 0 || length > (family === 6 ? 128 : 32)))) {
    throw new SessionError(
      'CONFIG_INVALID',
      `trustProxy: ${JSON.stringify(range)} is no IP address and no CIDR range, such as '10.0.0.0/8'`,
    );
  }
  const type = family === 6 ? 'ipv6' : 'ipv4';
  if (length === undefined) list.addAddress(address, type);
  else list.addSubnet(address, length, type);
}

/** An IPv4 address that is written in IPv6 form, as one that came in over an IPv6 socket is, as IPv4. */
function plainAddress(address: string): string {
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice(7) : address;
}

/** A request as its server received it. */
interface Forwarded {
  /** Address of the peer of the connection; `''` when it is not known, which is trusted by nobody. */
  readonly peer: string;
  /** Value of a header by its lower-case name; repeated fields are joined by `, `. */
  header(name: string): string | undefined;
}

/**
 * What the proxies in front of a server say of a request, as far as they are trusted. Headers of everybody else are not believed. Nothing is parsed before it is
 * asked for.
 */
export class Forwarding {
  readonly #request: Forwarded;
  readonly #trust: Trust | undefined;
  #chain: readonly string[] | undefined;

  constructor(request: Forwarded, trust: Trust | undefined) {
    this.#request = request;
    this.#trust = trust;
  }

  /** The peer is a loopback or private address that forwards for others without being trusted. */
  get untrusted(): boolean {
    const request = this.#request;
    const { peer } = request;
    if (peer === '' || this.#trust?.(peer) === true) return false;
    if (request.header('x-forwarded-for') === undefined && request.header('forwarded') === undefined)
      return false;
    return isPrivateAddress(plainAddress(peer));
  }

  /** Address of the client: the right-most that is not trusted; and whether it is that of the peer itself. */
  get client(): { readonly ip: string; readonly direct: boolean } {
    const hops = this.#hops();
    // Beyond a trusted proxy there may stand anything; what is no address leaves the proxy's own.
    const last = hops.length - 1;
    const index = last > 0 && isIP(hops[last] ?? '') === 0 ? last - 1 : last;
    return { ip: plainAddress(hops[index] ?? ''), direct: index === 0 };
  }

  /**
   * What the outermost trusted proxy said in `X-Forwarded-Proto` or `-Host`. Each proxy may have added a value, so the count of trusted hops tells which one is its; those
   * further to the left came from the client.
   */
  value(name: 'x-forwarded-proto' | 'x-forwarded-host'): string | undefined {
    if (this.#trust?.(this.#request.peer) !== true) return undefined;
    const list = this.#request.header(name);
    if (list === undefined) return undefined;
    if (!list.includes(',')) return list.trim() || undefined;
    const values = list.split(',');
    const proxies = Math.max(1, this.#hops().length - 1);
    return values[Math.max(0, values.length - proxies)]?.trim() || undefined;
  }

  /** Addresses from the peer up to the first that is not trusted, which is the client. */
  #hops(): readonly string[] {
    this.#chain ??= this.#walk();
    return this.#chain;
  }

  #walk(): readonly string[] {
    const trust = this.#trust;
    const { peer } = this.#request;
    const hops = [peer];
    if (trust === undefined || !trust(peer)) return hops;
    const list = this.#request.header('x-forwarded-for')?.split(',') ?? [];
    for (let i = list.length - 1; i >= 0; i--) {
      const address = (list[i] ?? '').trim();
      if (address === '') continue;
      hops.push(address);
      if (!trust(address)) break;
    }
    return hops;
  }
}
