import {
  type AnswerContext,
  createId,
  createSecret,
  type HeaderField,
  type RequestView,
  type Token,
  type Transport,
  toToken,
} from '@sessionkit/session-core';

/** As much of a request as a transport can meet. Names of headers in lower case; parameters decoded. */
export interface CarriedRequest {
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly query?: readonly (readonly [name: string, value: string])[] | undefined;
}

/** What stands at the other end: a browser, or the HTTP client of a program. */
export interface TransportClient {
  /** Takes the fields of an answer as this kind of client does. */
  receive(fields: readonly HeaderField[]): void;
  /** Its next request, with what it holds. */
  request(): CarriedRequest;
}

/** What the author of a transport gives to the suite. */
export interface TransportKit {
  /** A new transport, configured as it is by default. */
  create(): Transport;
  /** A request in which a client sends these values, in this order, whatever they are. */
  carry(values: readonly string[]): CarriedRequest;
  /** A new client that holds nothing. */
  client(): TransportClient;
}

/** One sentence of the contract, and the code that throws when a transport breaks it. */
export interface TransportCase {
  readonly name: string;
  /** Asked of what the transport declares. Without it the case is for every transport. */
  readonly applies?: ((declared: Transport) => boolean) | undefined;
  run(kit: TransportKit): void;
}

/** The connection of a client, encrypted and not. */
export const ENCRYPTED: AnswerContext = { secure: true };
export const PLAIN: AnswerContext = { secure: false };

/** What is left of a session in the cases, in seconds. */
export const LEFT = 600;

let made = 0;

/** A token like those of core, another one with each call. */
export function aToken(): Token {
  const environment = {
    now: () => Date.UTC(2026, 5, 1) + made,
    random: (bytes: number) => Uint8Array.from({ length: bytes }, (_, i) => (++made * 31 + i * 7) % 256),
    every: () => () => {},
    log: () => {},
  };
  return toToken(createId(environment, environment.now()), createSecret(environment));
}

/** A request as a transport sees it, and a list of where it has looked. */
export function viewOf(request: CarriedRequest): RequestView & { readonly asked: readonly string[] } {
  const asked: string[] = [];
  return {
    method: 'GET',
    asked,
    header(name) {
      asked.push(`header ${name}`);
      const { headers = {} } = request;
      return Object.hasOwn(headers, name) ? headers[name] : undefined;
    },
    query(name) {
      asked.push(`query ${name}`);
      return (request.query ?? []).filter(([each]) => each === name).map(([, value]) => value);
    },
  };
}

export function read(transport: Transport, request: CarriedRequest): readonly string[] {
  return transport.read(viewOf(request));
}

/** Value of the first field of that name (lower case), however the field writes it. */
export function fieldValue(fields: readonly HeaderField[], name: string): string | undefined {
  return fields.find(([each]) => each.toLowerCase() === name)?.[1];
}
