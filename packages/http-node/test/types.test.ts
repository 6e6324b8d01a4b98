import type { IncomingMessage, Server } from 'node:http';
import { createSessionManager, type DataSchema, type Session } from '@sessionkit/session-core';
import { expect, expectTypeOf, it } from 'vitest';
import {
  httpSettings,
  openUpgrade,
  type SessionHandler,
  type SessionRequest,
  sessionHandler,
  sessionMiddleware,
  sessionOf,
} from '../src/index.js';

// These fail in the type check as soon as a type degrades to `unknown` or `any`.

interface Shop {
  readonly visits: number;
}
interface Input {
  readonly visits?: number | undefined;
}

const schema: DataSchema<Input, Shop> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => ({ value: { visits: (value as Input).visits ?? 0 } }),
  },
};
const manager = createSessionManager();
const service = manager.service('shop', { data: { schema } });
const untyped = manager.service('untyped');

it('a handler has the session of its service', () => {
  const listener = sessionHandler(service, (_request, _response, session) => {
    expectTypeOf(session).toEqualTypeOf<Session<Shop, Input>>();
    expectTypeOf(session.get<'visits'>).returns.toEqualTypeOf<number>();
    // @ts-expect-error there is no such key
    session.get('visit');
  });
  sessionHandler(untyped, (_request, _response, session) => {
    expectTypeOf(session).toEqualTypeOf<Session>();
  });
  expectTypeOf<SessionHandler>().parameter(2).toEqualTypeOf<Session>();
  expect(listener).toBeTypeOf('function');
});

it('sessionOf has the types of the service that it is asked with, or of what it is told', () => {
  const request = { session: {} } as SessionRequest;
  expectTypeOf(sessionOf(request)).toEqualTypeOf<Session>();
  expectTypeOf(sessionOf(request, service)).toEqualTypeOf<Session<Shop, Input>>();
  expectTypeOf(sessionOf<Shop>(request)).toEqualTypeOf<Session<Shop>>();
  expectTypeOf<SessionRequest<Shop>['session']>().toEqualTypeOf<Session<Shop>>();
  expect(sessionOf(request, service)).toBe(request.session);
  expect(() => sessionOf({} as IncomingMessage, service)).toThrow('put sessionMiddleware before');
});

it('any service will do for a middleware, and an upgrade has the session of its own', () => {
  expect(sessionMiddleware(service)).toBeTypeOf('function');
  const listen = (server: Server) =>
    server.on('upgrade', async (request, socket) => {
      const opened = await openUpgrade(service, request, socket, httpSettings());
      expectTypeOf(opened?.session).toEqualTypeOf<Session<Shop, Input> | undefined>();
    });
  expect(listen).toBeTypeOf('function');
});
