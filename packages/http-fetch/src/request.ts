import { type ClientInfo, Forwarding, type VisitRequest } from '@sessionkit/session-core';
import type { FetchSettings, Peer } from './settings.js';

const NOTHING: readonly string[] = [];
const NO_ATTRIBUTES: Readonly<Record<string, string>> = Object.freeze({});
const LONGEST_USER_AGENT = 512;

/** The request as core and the transports read it: no `URL` object, no copy of its headers. Nothing is parsed before it is asked for. */
export class FetchRequest implements VisitRequest {
  readonly method: string;
  readonly path: string;
  readonly peer: string;
  private readonly request: Request;
  private readonly settings: FetchSettings;
  private readonly port: number;
  private readonly authority: string;
  private readonly search: string;
  private parameters: URLSearchParams | undefined;
  private proxies: Forwarding | undefined;

  constructor(request: Request, settings: FetchSettings, peer: Peer) {
    this.request = request;
    this.settings = settings;
    this.method = request.method;
    this.peer = (typeof peer === 'string' ? peer : peer?.address) ?? '';
    this.port = (typeof peer === 'string' ? undefined : peer?.port) ?? 0;
    const { url } = request;
    const host = url.indexOf('://') + 3;
    const start = url.indexOf('/', host);
    const hash = url.indexOf('#', start);
    const end = hash < 0 ? url.length : hash;
    const mark = url.indexOf('?', start);
    this.authority = url.slice(host, start);
    this.path = url.slice(start, mark < 0 || mark > end ? end : mark);
    this.search = mark < 0 || mark > end ? '' : url.slice(mark + 1, end);
  }

  header(name: string): string | undefined {
    return this.request.headers.get(name) ?? undefined;
  }

  query(name: string): readonly string[] {
    if (this.search === '') return NOTHING;
    // The constructor would take a leading `?` for the mark itself; the `&` keeps it part of the first name, as in a URL.
    this.parameters ??= new URLSearchParams(`&${this.search}`);
    return this.parameters.getAll(name);
  }

  /** Servers hand the request for a WebSocket to the same handler. */
  get upgrade(): boolean {
    return this.header('upgrade')?.toLowerCase() === 'websocket';
  }

  get secure(): boolean {
    const scheme = this.forwarding.value('x-forwarded-proto');
    return scheme === undefined ? this.request.url.startsWith('https:') : scheme.toLowerCase() === 'https';
  }

  get host(): string | undefined {
    return this.forwarding.value('x-forwarded-host') ?? this.header('host') ?? this.authority;
  }

  get untrustedProxy(): boolean {
    return this.forwarding.untrusted;
  }

  client(): ClientInfo {
    const { ip, direct } = this.forwarding.client;
    return {
      ip,
      port: direct ? this.port : 0,
      cipher: '',
      userAgent: (this.header('user-agent') ?? '').slice(0, LONGEST_USER_AGENT),
      attributes: NO_ATTRIBUTES,
    };
  }

  private get forwarding(): Forwarding {
    this.proxies ??= new Forwarding(this, this.settings.trust);
    return this.proxies;
  }
}
