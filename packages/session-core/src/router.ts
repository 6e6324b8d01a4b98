import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Environment, Millis } from './environment.js';
import type { HoldingSource } from './holdings.js';
import type { Session } from './session.js';
import type { HeaderField } from './transport.js';

/** A named upstream that a router can open connections to. */
export interface ServerTarget {
  readonly name: string;
  /** `http://host:port` or `https://…`, without a path. */
  readonly url: string;
  /** May log in, change data and log out by its answers' `X-Session-*` headers. */
  readonly steer: boolean;
}

/** Names under which credentials travel, over all services and the admin API: what a gateway takes out. */
export interface CredentialCarriers {
  readonly cookies: readonly string[];
  readonly queries: readonly string[];
  /** A bearer transport is configured somewhere: an `Authorization: Bearer` that has the form of our token is ours. */
  readonly bearer: boolean;
  /** Whether an `Authorization` value (any scheme) belongs to the admin API. */
  isAdminCredential(authorization: string): boolean;
}

/** What a router is given to build itself from. */
export interface RouterContext {
  readonly environment: Environment;
  /** Name of the service, for messages. */
  readonly service: string;
  readonly servers: readonly ServerTarget[];
  readonly carriers: CredentialCarriers;
}

/** What one request brings to the router. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The open session, or an anonymous one. Changes are stored before the client sees the head of the answer. */
  readonly session: Session;
  /** Id of this request in logs. */
  readonly requestId: string;
  /** Address of the client behind trusted proxies. */
  readonly clientAddress: string;
  /** `http` or `https` as the client sees it. */
  readonly scheme: 'http' | 'https';
  /** Host as the client sees it. */
  readonly host: string;
  /** Set for a request to switch to a WebSocket. A router that does not know it answers 501. */
  readonly upgrade?: UpgradeParts | undefined;
  /** Told for the access log: the upstream that answered. */
  onServer(name: string): void;
  /**
   * Set by the router before the head goes out, and never taken back: the answer said something to the session, so it is for this one request and is neither
   * kept nor repeated.
   */
  steered?: boolean | undefined;
  /** Set by `Service.pass` before the filters: the service that the request came to, by its own name also where its sessions are those of a share group. */
  service?: string | undefined;
}

/** What a router knows of a server, from the requests that it has sent there. */
export interface ServerStatus {
  readonly name: string;
  /** Whether the last connection that it wanted could be opened; undefined before the first one. */
  readonly reachable: boolean | undefined;
  /** When that last changed. */
  readonly changedAt: Millis | undefined;
  /** Open now. */
  readonly connections: number;
  /** Opened so far. */
  readonly totalConnections: number;
  /** Sent, and not answered to the end. */
  readonly activeRequests: number;
  /** Sent so far. */
  readonly totalRequests: number;
}

/** What a request to switch to a WebSocket brings besides. Its `response` writes to the client's connection until the protocol is switched. */
export interface UpgradeParts {
  /** The client's connection. */
  readonly socket: Duplex;
  /** What has come from it behind the head. */
  readonly head: Buffer;
  /** Stores what the session waits for; answers the fields that go out with the 101. */
  finish(): Promise<readonly HeaderField[]>;
  /** The protocol is switched. */
  opened(tunnel: OpenTunnel): void;
  /** Something came from the client on the open socket: the session is used. */
  used(): void;
}

/** A WebSocket while it is open. */
export interface OpenTunnel {
  /** Resolves when both sides are closed. */
  readonly over: Promise<void>;
  /** Tells the client why it is over, by a close code (RFC 6455 section 7.4), and closes it. */
  end(code: number, reason: string): void;
}

/** The end of a service's chain: what is done with a request. */
export interface Router {
  readonly type: string;
  /** What it holds of sessions: its connections to servers. Left out: nothing that could be told. */
  readonly holdings?: HoldingSource | undefined;
  /** One for each of its servers. Missing: it does not tell. */
  status?(): readonly ServerStatus[];
  /** Answers the request. Resolves when the answer is finished or cut, or the protocol switched; faults of an upstream become 502 or 504, never a rejection. */
  handle(exchange: Exchange): Promise<void>;
  /** Closes idle upstream connections; requests in flight go on. */
  close(): Promise<void>;
}
