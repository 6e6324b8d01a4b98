import type { IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type ClientInfo, isPrivateAddress, type VisitRequest } from '@sessionkit/session-core';
import proxyAddr from 'proxy-addr';
import type { HttpSettings } from './settings.js';
import { type Target, targetOf } from './target.js';

const NOTHING: readonly string[] = [];
const NO_ATTRIBUTES: Readonly<Record<string, string>> = Object.freeze({});
const LONGEST_USER_AGENT = 512;

/**
 * The request as core and the transports read it. Nothing is parsed before it is asked for.
 *
 * @param upgrade The request came with the `upgrade` event.
 */
export function nodeRequest(request: IncomingMessage, settings: HttpSettings, upgrade = false): VisitRequest {
  return new NodeRequest(request, settings, upgrade);
}

class NodeRequest implements VisitRequest {
  readonly method: string;
  readonly path: string;
  readonly upgrade: boolean;
  private readonly request: IncomingMessage;
  private readonly settings: HttpSettings;
  private readonly target: Target;
  private parameters: URLSearchParams | undefined;
  private trusted: readonly string[] | undefined;

  constructor(request: IncomingMessage, settings: HttpSettings, upgrade: boolean) {
    this.request = request;
    this.settings = settings;
    this.upgrade = upgrade;
    this.method = request.method ?? 'GET';
    this.target = targetOf(request);
    this.path = this.target.path;
  }

  header(name: string): string | undefined {
    const fields = this.request.rawHeaders;
    let found: string | undefined;
    for (let i = 0; i < fields.length; i += 2) {
      const field = fields[i];
      if (field === undefined || field.length !== name.length) continue;
      if (field !== name && field.toLowerCase() !== name) continue;
      const value = fields[i + 1] ?? '';
      if (found === undefined) found = value;
      else found += (name === 'cookie' ? '; ' : ', ') + value;
    }
    return found;
  }

  query(name: string): readonly string[] {
    if (this.target.query === '') return NOTHING;
    // The constructor would take a leading `?` for the mark itself; the `&` keeps it part of the first name, as in a URL.
    this.parameters ??= new URLSearchParams(`&${this.target.query}`);
    return this.parameters.getAll(name);
  }

  get secure(): boolean {
    const scheme = this.forwarded('x-forwarded-proto');
    if (scheme !== undefined) return scheme.toLowerCase() === 'https';
    return isEncrypted(this.request.socket);
  }

  get host(): string | undefined {
    return this.forwarded('x-forwarded-host') ?? this.target.authority ?? this.header('host');
  }

  get untrustedProxy(): boolean {
    const { remoteAddress } = this.request.socket;
    if (remoteAddress === undefined || this.trustsPeer()) return false;
    if (this.header('x-forwarded-for') === undefined && this.header('forwarded') === undefined) return false;
    return isPrivateAddress(plain(remoteAddress));
  }

  client(): ClientInfo {
    const { socket } = this.request;
    const hops = this.hops();
    // Beyond a trusted proxy there may stand anything; what is no address leaves the proxy's own.
    const last = hops.length - 1;
    const index = last > 0 && isIP(hops[last] ?? '') === 0 ? last - 1 : last;
    return {
      ip: plain(hops[index] ?? ''),
      port: index > 0 ? 0 : (socket.remotePort ?? 0),
      cipher: isEncrypted(socket) ? (socket.getCipher()?.name ?? '') : '',
      userAgent: (this.header('user-agent') ?? '').slice(0, LONGEST_USER_AGENT),
      attributes: NO_ATTRIBUTES,
    };
  }

  private trustsPeer(): boolean {
    const { trust } = this.settings;
    return trust?.(this.request.socket.remoteAddress ?? '', 0) ?? false;
  }

  /** Addresses from the peer up to the first that is not trusted, which is the client. */
  private hops(): readonly string[] {
    if (this.trusted === undefined) {
      const { trust } = this.settings;
      const peer = this.request.socket.remoteAddress ?? '';
      this.trusted = trust?.(peer, 0) ? proxyAddr.all(this.request, trust) : [peer];
    }
    return this.trusted;
  }

  /**
   * What the outermost trusted proxy said. Each proxy may have added a value, so the count of trusted hops tells which one is its; those further to
   * the left came from the client.
   */
  private forwarded(name: string): string | undefined {
    if (this.settings.trust === undefined || !this.trustsPeer()) return undefined;
    const list = this.header(name);
    if (list === undefined) return undefined;
    if (!list.includes(',')) return list.trim() || undefined;
    const values = list.split(',');
    const proxies = Math.max(1, this.hops().length - 1);
    return values[Math.max(0, values.length - proxies)]?.trim() || undefined;
  }
}

function isEncrypted(socket: Socket): socket is TLSSocket {
  return 'encrypted' in socket && socket.encrypted === true;
}

/** An IPv4 address that came in over an IPv6 socket, as IPv4. */
function plain(address: string): string {
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice(7) : address;
}
