import { memory } from '@sessionkit/backend-memory';
import {
  createSessionManager,
  type LogEntry,
  processEnvironment,
  type Service,
  type ServiceOptions,
  type SessionManager,
} from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import express4 from 'express4';
import express5 from 'express5';
import { onTestFinished } from 'vitest';
import { type ExpressSessionOptions, expressSession } from '../src/index.js';
import { type AppRequest, type Express, makeApp } from './app.js';
import { Browser, type Handler, load, serve } from './help.js';

export const EXPRESS = { 'Express 4': express4, 'Express 5': express5 } as unknown as Readonly<
  Record<string, Express>
>;

export interface Ours {
  readonly service: Service;
  readonly manager: SessionManager;
  readonly browser: Browser;
  readonly log: LogEntry[];
}

export const HOUR = 3_600_000;

/** The app on the real express-session with its own memory store. */
export async function theirs(express: Express): Promise<Browser> {
  const session = load('express-session') as (options: object) => Handler;
  const options = { secret: 'secret', resave: false, saveUninitialized: false, cookie: { maxAge: HOUR } };
  return new Browser(await serve(makeApp(express, session(options))));
}

/** The app on ours. */
export async function ours(
  express: Express,
  options: ServiceOptions = {},
  given: ExpressSessionOptions = {},
  before?: (request: AppRequest) => void,
): Promise<Ours> {
  const log: LogEntry[] = [];
  const environment = { ...processEnvironment, log: (entry: LogEntry) => void log.push(entry) };
  const manager = createSessionManager({ environment });
  onTestFinished(() => manager.close());
  const service = manager.service('app', {
    backend: memory(),
    transports: [cookie({ name: 'sid' })],
    autoCreate: 'on_write',
    onDead: 'renew',
    idleTimeout: HOUR,
    duration: 24 * HOUR,
    ...options,
  });
  const session = expressSession(service, { environment, ...given });
  const app = makeApp(express, (request, response, next) =>
    session(request, response, (error) => {
      before?.(request as AppRequest);
      next(error);
    }),
  );
  return { service, manager, browser: new Browser(await serve(app)), log };
}
