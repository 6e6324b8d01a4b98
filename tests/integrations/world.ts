import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type MemoryBackend, memory } from '@sessionkit/backend-memory';
import {
  createSessionManager,
  processEnvironment,
  type Service,
  type ServiceOptions,
  SessionError,
  type SessionManager,
  type Visit,
} from '@sessionkit/session-core';
import { bearer } from '@sessionkit/transport-bearer';
import { cookie } from '@sessionkit/transport-cookie';
import { onTestFinished } from 'vitest';
import type { App, Integration } from './integration.js';

export const down = new SessionError('BACKEND_DOWN', 'the store is down', { retryable: true });

/** The memory backend with a gate before its saves. */
class Gate {
  readonly backend: MemoryBackend = memory();
  saves = 0;
  fault: SessionError | undefined;
  #wait: Promise<void> | undefined;

  constructor() {
    const save = this.backend.save.bind(this.backend);
    this.backend.save = async (record, signal) => {
      await this.#wait;
      if (this.fault !== undefined) throw this.fault;
      const saved = await save(record, signal);
      this.saves++;
      return saved;
    };
  }

  /** Keeps saves waiting until the answered function is called. */
  shut(): () => void {
    let open = () => {};
    this.#wait = new Promise<void>((resolve) => {
      open = resolve;
    });
    return open;
  }
}

/** Breaks a service in one way. */
export type Tamper = (service: Service, manager: SessionManager) => void;

export interface World {
  readonly port: number;
  readonly server: Server;
  readonly service: Service;
  readonly manager: SessionManager;
  readonly store: Gate;
  readonly log: { readonly message: string }[];
  /** Visits that are open now, and that ever were. */
  readonly visits: { open: number; all: number };
  /** Turns the clock on, in ms. */
  turn(by: number): void;
}

/** An integration, and perhaps what is wrong with it. */
export interface Stage {
  readonly integration: Integration;
  start(app: App, options?: ServiceOptions): Promise<World>;
}

/** Calls `change` for every visit that a service opens. */
export function onVisit(service: Service, change: (visit: Visit) => void): void {
  const open = service.open.bind(service);
  service.open = async (request) => {
    const visit = await open(request);
    change(visit);
    return visit;
  };
}

export function stageOf(integration: Integration, tamper?: Tamper): Stage {
  return { integration, start: (app, options) => start(integration, tamper, app, options) };
}

async function start(
  integration: Integration,
  tamper: Tamper | undefined,
  app: App,
  options: ServiceOptions = {},
): Promise<World> {
  const log: { readonly message: string }[] = [];
  let ahead = 0;
  const environment = {
    ...processEnvironment,
    now: () => Date.now() + ahead,
    log: (entry: { readonly message: string }) => void log.push(entry),
  };
  const store = new Gate();
  const manager = createSessionManager({ environment, deadline: 2_000 });
  const service = manager.service('app', {
    backend: store.backend,
    transports: [cookie({ name: 'sid' }), bearer()],
    autoCreate: 'on_write',
    ...options,
  });
  const visits = { open: 0, all: 0 };
  onVisit(service, (visit) => {
    visits.open++;
    visits.all++;
    const close = visit.close.bind(visit);
    let closed = false;
    visit.close = () => {
      if (!closed) visits.open--;
      closed = true;
      close();
    };
  });
  tamper?.(service, manager);
  const server = await integration.serve(service, app, environment);
  // Upgraded ones are none of the server's any more.
  const connections = new Set<Socket>();
  server.on('connection', (socket) => connections.add(socket));
  onTestFinished(async () => {
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of connections) socket.destroy();
    });
    await manager.close();
  });
  const { port } = server.address() as AddressInfo;
  const turn = (by: number) => {
    ahead += by;
  };
  return { port, server, service, manager, store, log, visits, turn };
}

/** Waits until something is so; fails after two seconds. */
export async function until(what: string, so: () => boolean): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (so()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${what}: not so after 2 s`);
}
