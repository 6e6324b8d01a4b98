import type { Server } from 'node:http';
import type { Access, Service, Session } from '@sessionkit/session-core';

export type Body = string | AsyncIterable<string | Uint8Array>;

/** One request as a route of the suite sees it, and its answer, given by the framework's own means. */
export interface Call {
  readonly method: string;
  readonly session: Session;
  /** What the client sends, as it arrives. */
  body(): AsyncIterable<Uint8Array>;
  answer(status: number, fields?: Readonly<Record<string, string>>, body?: Body): void;
  /** Flushes the head of an answer before there is anything of its body; answers the function that ends it with a text. */
  begin(status: number, fields?: Readonly<Record<string, string>>): (text: string) => void;
}

export type Route = (call: Call) => void | Promise<void>;

/** What the error handler of the application answers. */
export interface Handled {
  readonly status: number;
  readonly body: string;
}

interface Socket {
  send(text: string): void;
  close(code: number, reason: string): void;
}

/** An application, in no framework's words. */
export interface App {
  /** By path; for every method. */
  readonly routes: Readonly<Record<string, Route>>;
  /** What routes ask of the session. */
  readonly access?: Readonly<Record<string, Access>> | undefined;
  /** The application's error handler. */
  readonly failed?: ((error: unknown) => Handled) | undefined;
  /** Fields that something before the session sets on every answer. */
  readonly before?: Readonly<Record<string, string>> | undefined;
  /** What is done with a WebSocket that was opened at `/ws`. */
  readonly socket?: ((session: Session, socket: Socket) => void) | undefined;
  readonly trustProxy?: readonly string[] | undefined;
  /** The framework is told to believe every proxy. */
  readonly gullible?: boolean | undefined;
}

export interface Log {
  log(entry: { readonly message: string; readonly error?: unknown }): void;
}

/** A framework with our package for it. */
export interface Integration {
  readonly name: string;
  /** The framework has error handlers; without any of the application's it answers a fault of the store with this status. */
  readonly errors: { readonly unhandled: number } | undefined;
  /** It serves sockets. */
  readonly sockets: boolean;
  /** Serves on a free port of 127.0.0.1. */
  serve(service: Service, app: App, environment: Log): Promise<Server>;
}

export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
