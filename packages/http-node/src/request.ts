import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type ClientInfo, Forwarding, type VisitRequest } from '@sessionkit/session-core';
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
  private proxies: Forwarding | undefined;

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

  get peer(): string {
    return this.request.socket.remoteAddress ?? '';
  }

  get secure(): boolean {
    const scheme = this.forwarding.value('x-forwarded-proto');
    if (scheme !== undefined) return scheme.toLowerCase() === 'https';
    return isEncrypted(this.request.socket);
  }

  get host(): string | undefined {
    return this.forwarding.value('x-forwarded-host') ?? this.target.authority ?? this.header('host');
  }

  get untrustedProxy(): boolean {
    return this.forwarding.untrusted;
  }

  client(): ClientInfo {
    const { socket } = this.request;
    const { ip, direct } = this.forwarding.client;
    return {
      ip,
      port: direct ? (socket.remotePort ?? 0) : 0,
      cipher: isEncrypted(socket) ? (socket.getCipher()?.name ?? '') : '',
      userAgent: (this.header('user-agent') ?? '').slice(0, LONGEST_USER_AGENT),
      attributes: NO_ATTRIBUTES,
    };
  }

  private get forwarding(): Forwarding {
    this.proxies ??= new Forwarding(this, this.settings.trust);
    return this.proxies;
  }
}

function isEncrypted(socket: Socket): socket is TLSSocket {
  return 'encrypted' in socket && socket.encrypted === true;
}
