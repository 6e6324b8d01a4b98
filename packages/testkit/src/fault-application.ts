import assert from 'node:assert/strict';
import {
  type Backend,
  createSessionManager,
  type LogEntry,
  type Millis,
  processEnvironment,
  type Service,
  type Session,
  type SessionId,
  type SessionManager,
  type Transport,
  type VisitRequest,
} from '@sessionkit/session-core';
import type { ConnectOptions, RunningStore } from './store-harness.js';

const HEADER = 'x-fault-token';
/** So many sessions are created at once. */
const ABREAST = 20;
/** What a case counts in each session. */
const COUNT = 'count';

/** What the client of a visit is told. */
export interface Answer {
  /** As of HTTP; 200 for what the handler has answered. */
  readonly status: number;
  /** Why it was refused. */
  readonly code: string | undefined;
  /** The session that was opened or created. */
  readonly id: SessionId | undefined;
  readonly count: number;
  /** Handed out with this answer. */
  readonly token: string | undefined;
  /** How long it took. */
  readonly ms: Millis;
}

/** A client with a session, and what it has been promised. */
export interface Customer {
  readonly id: SessionId;
  readonly token: string;
  /** Visits that were to add one: begun, and acknowledged. */
  begun: number;
  acknowledged: number;
}

/** One process of an application on the store, driven as HTTP drives it. */
export class Application {
  readonly backend: Backend;
  readonly manager: SessionManager;
  /** All that it has logged. */
  readonly entries: LogEntry[];
  readonly #service: Service;

  private constructor(backend: Backend, deadline: Millis, entries: LogEntry[]) {
    this.backend = backend;
    this.entries = entries;
    this.manager = createSessionManager({ deadline, environment: logging(entries) });
    this.#service = this.manager.service('faults', { backend, transports: [transport], autoCreate: true });
  }

  static async start(store: RunningStore, deadline: Millis, options: ConnectOptions): Promise<Application> {
    const entries: LogEntry[] = [];
    const backend = await store.connect({ ...options, deadline, environment: logging(entries) });
    return new Application(backend, deadline, entries);
  }

  /** A request with this token; `handler` is what the application does in it. */
  async visit(
    token: string | undefined,
    handler: (session: Session) => void | Promise<void> = () => {},
  ): Promise<Answer> {
    const begun = performance.now();
    const visit = await this.#service.open(requestWith(token));
    const { session } = visit;
    const refused = (refusal: { readonly status: number; readonly code: string }) => ({
      status: refusal.status,
      code: refusal.code,
      id: undefined,
      count: 0,
      token: undefined,
      ms: performance.now() - begun,
    });
    try {
      if (visit.refusal !== undefined) return refused(visit.refusal);
      await handler(session);
      const head = { status: 200, cacheControl: undefined };
      const fields = visit.pending ? await visit.finish(head) : visit.headers;
      const token = fields.find(([name]) => name === HEADER)?.[1];
      const count = session.get<number>(COUNT) ?? 0;
      return { status: 200, code: undefined, id: session.id, count, token, ms: performance.now() - begun };
    } catch (fault) {
      const refusal = visit.refuse(fault);
      if (refusal === undefined) throw fault;
      return refused(refusal);
    } finally {
      visit.close();
    }
  }

  /** Creates a session. */
  async customer(): Promise<Customer> {
    const { status, id, token } = await this.visit(undefined);
    assert.equal(status, 200, 'a session could not be created while the store was up');
    assert.ok(id !== undefined && token !== undefined, 'a new visitor got no session');
    return { id, token, begun: 0, acknowledged: 0 };
  }

  async customers(count: number): Promise<Customer[]> {
    const customers: Customer[] = [];
    while (customers.length < count) {
      const some = Math.min(ABREAST, count - customers.length);
      customers.push(...(await Promise.all(Array.from({ length: some }, () => this.customer()))));
    }
    return customers;
  }

  /** A visit that reads. What it is told must be the truth, or 503. */
  async look(customer: Customer): Promise<Answer> {
    const least = customer.acknowledged;
    const answer = await this.visit(customer.token);
    truthful(answer, customer);
    if (answer.status === 200) {
      assert.ok(answer.count >= least, `of ${least} acknowledged changes ${answer.count} were there`);
      assert.ok(
        answer.count <= customer.begun,
        `${customer.begun} changes were sent, and count as ${answer.count}`,
      );
    }
    return answer;
  }

  /** A visit that adds one; `before` runs when its session is open and the change not yet stored. */
  async add(customer: Customer, before: () => void | Promise<void> = () => {}): Promise<Answer> {
    let opened = false;
    const answer = await this.visit(customer.token, async (session) => {
      opened = true;
      customer.begun += 1;
      session.update<number>(COUNT, (count = 0) => count + 1);
      await before();
    });
    truthful(answer, customer);
    if (answer.status === 200) {
      assert.ok(opened);
      customer.acknowledged += 1;
    }
    return answer;
  }

  async close(): Promise<void> {
    await this.manager.close();
  }
}

/** Whoever has a session is answered with it, or that the store is not there; never that there is none, or with a new one. */
export function truthful(answer: Answer, customer: Customer): void {
  if (answer.status === 200) {
    assert.equal(answer.id, customer.id, `a visit of ${customer.id} was answered with another session`);
    return;
  }
  unavailable(answer);
}

export function unavailable({ status, code }: Answer): void {
  assert.deepEqual(
    { status, code },
    { status: 503, code: 'store_unavailable' },
    'the answer in an outage is wrong',
  );
}

function logging(entries: LogEntry[]) {
  return { ...processEnvironment, log: (entry: LogEntry) => void entries.push(entry) };
}

const transport: Transport = {
  type: 'faults',
  ambient: false,
  lenient: false,
  carrier: { requestHeader: HEADER, responseHeader: HEADER },
  vary: HEADER,
  read(request) {
    const value = request.header(HEADER);
    return value === undefined ? [] : [value];
  },
  issue: (token) => [[HEADER, token]],
  clear: () => [],
  challenge: () => [],
};

function requestWith(token: string | undefined): VisitRequest {
  return {
    method: 'GET',
    path: '/',
    secure: true,
    host: 'faults.example',
    upgrade: false,
    untrustedProxy: false,
    header: (name) => (name === HEADER ? token : undefined),
    query: () => [],
    client: () => ({ ip: '192.0.2.1', port: 1, cipher: '', userAgent: 'faults', attributes: {} }),
  };
}
