import { setMaxListeners } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import {
  ABILITIES,
  type Backend,
  type ClientInfo,
  can,
  createSessionManager,
  type Environment,
  processEnvironment,
  type Service,
  SessionError,
  type SessionId,
  type SessionManager,
  type Transport,
  type VisitRequest,
} from '@sessionkit/session-core';
import { seededRandom } from './environment.js';
import { type HeldVerb, type HoldMode, RaceGates, type Slowness } from './race-gates.js';
import type {
  RaceWorker,
  RacingService,
  StreamOrder,
  StreamReport,
  Told,
  VisitOrder,
} from './race-worker.js';

const COOKIE = 'race';
const ID_BYTES = 10;
const CLIENT: ClientInfo = { ip: '127.0.0.1', port: 1, cipher: '', userAgent: 'race', attributes: {} };
const SIGNAL = new AbortController().signal;
// Many calls at a time are given it.
setMaxListeners(0, SIGNAL);
const LARGEST_PAGE = 10_000;

/** As plain as a cookie can be, so that an answer tells whether it has one. */
const transport: Transport = {
  type: 'race',
  ambient: false,
  lenient: false,
  carrier: { cookie: COOKIE, responseHeader: 'set-cookie' },
  vary: undefined,
  read(request) {
    const value = request.header('cookie');
    return value === undefined ? [] : [value];
  },
  issue: (token) => [['set-cookie', token]],
  clear: () => [['set-cookie', '']],
  challenge: () => [],
};

interface Served {
  readonly manager: SessionManager;
  readonly service: Service;
}

/** One of the two that race: real services over a backend behind gates. */
export class RaceDesk implements RaceWorker {
  readonly #backend: Backend;
  readonly #gates = new RaceGates();
  readonly #served = new Map<string, Served>();
  readonly #loop = monitorEventLoopDelay();
  #draw = seededRandom(0);
  #batches = 0;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  async abilities(): Promise<readonly string[]> {
    return ABILITIES.filter((ability) => can(this.#backend, ability));
  }

  async serve(racing: RacingService): Promise<void> {
    const { name, deadline, idleTimeout, maxPerUser, ahead = 0, drawsAt } = racing;
    const environment: Environment = {
      ...processEnvironment,
      now: () => drawsAt ?? Date.now() + ahead,
      random: (bytes) =>
        drawsAt !== undefined && bytes === ID_BYTES ? this.#draw(bytes) : processEnvironment.random(bytes),
      log: () => {},
    };
    const backend = this.#gates.around(this.#backend, async (signal) => {
      const now = drawsAt === undefined ? await this.#backend.now(signal) : undefined;
      return now === undefined ? undefined : now + ahead;
    });
    const manager = createSessionManager({ deadline, environment });
    const service = manager.service(name, {
      backend,
      transports: [transport],
      autoCreate: 'on_write',
      idleTimeout,
      maxPerUser,
    });
    const before = this.#served.get(name);
    this.#served.set(name, { manager, service });
    this.#loop.enable();
    await before?.manager.close();
  }

  visit(service: string, orders: readonly VisitOrder[]): Promise<readonly Told[]> {
    return Promise.all(orders.map((order) => this.#visit(this.#of(service).service, order)));
  }

  async stream(name: string, order: StreamOrder): Promise<StreamReport> {
    const { tokens, first, count, together, own, slowness } = order;
    const { service } = this.#of(name);
    const acknowledged: string[] = [];
    const faults: Record<string, number> = {};
    this.#gates.attempts.length = 0;
    this.#gates.slowness = slowness;
    let next = first;
    const one = async () => {
      while (next < first + count) {
        const number = next++;
        const key = Math.floor(number / tokens.length) % 2 === 0 ? 'both' : own;
        const mark = `${number}`;
        const token = tokens[number % tokens.length];
        const told = await this.#visit(service, { token, add: { key, mark } });
        if (told.acknowledged) acknowledged.push(mark);
        else {
          const why = `${told.fault ?? told.refusal}`;
          faults[why] = (faults[why] ?? 0) + 1;
        }
      }
    };
    this.#loop.reset();
    await Promise.all(Array.from({ length: together }, one));
    this.#gates.slowness = undefined;
    return { acknowledged, faults, attempts: [...this.#gates.attempts], stoodStill: this.#loop.max / 1e6 };
  }

  async slow(slowness: Slowness | null): Promise<void> {
    this.#gates.slowness = slowness ?? undefined;
  }

  async hold(verb: HeldVerb, mode: HoldMode): Promise<void> {
    this.#gates.hold(verb, mode);
  }

  held(verb: HeldVerb, count: number): Promise<readonly string[]> {
    return this.#gates.held(verb, count);
  }

  async release(verb: HeldVerb): Promise<void> {
    this.#gates.release(verb);
  }

  flush(service: string): Promise<void> {
    return this.#of(service).manager.flush();
  }

  async journal(ids: readonly string[]): Promise<void> {
    const backend = this.#gates.around(this.#backend, (signal) => this.#backend.now(signal));
    if (!can(backend, 'journal')) return;
    const at = (await backend.now(SIGNAL)) ?? Date.now();
    const entries = ids.map((id) => ({ id: id as SessionId, at, kind: 'log' as const, text: 'late' }));
    await backend.append({ batchId: `race-${process.pid}-${this.#batches++}`, entries }, SIGNAL);
  }

  end(service: string, ids: readonly string[]): Promise<readonly boolean[]> {
    const { manager } = this.#of(service);
    return Promise.all(ids.map((id) => manager.end(id as SessionId, { name: 'race' })));
  }

  async alive(service: string, ids: readonly string[]): Promise<readonly string[]> {
    const { manager } = this.#of(service);
    const asked = new Set(ids);
    const alive = new Set<string>();
    for (const found of await Promise.all(ids.map((id) => manager.get(id as SessionId))))
      if (found !== undefined) alive.add(found.id);
    if (can(this.#backend, 'inspect')) {
      const { items } = await manager.list({ service, limit: LARGEST_PAGE });
      for (const { id } of items) if (asked.has(id)) alive.add(id);
    }
    return [...alive];
  }

  async sessionsOf(service: string, user: string): Promise<readonly string[]> {
    const { items } = await this.#of(service).manager.list({ service, user });
    return items.map(({ id }) => id);
  }

  async clear(): Promise<void> {
    this.#gates.releaseAll();
    this.#gates.slowness = undefined;
    this.#loop.disable();
    const managers = [...this.#served.values()].map(({ manager }) => manager);
    this.#served.clear();
    await Promise.all(managers.map((manager) => manager.close()));
  }

  async close(): Promise<void> {
    await this.clear();
    await this.#backend.close();
  }

  #of(service: string): Served {
    const served = this.#served.get(service);
    if (served === undefined) throw new Error(`there is no service ${service}`);
    return served;
  }

  async #visit(service: Service, order: VisitOrder): Promise<Told> {
    const { token, login, add, logout, read, draw } = order;
    if (draw !== undefined) this.#draw = seededRandom(draw);
    const visit = await service.open(requestWith(token));
    try {
      if (visit.refusal !== undefined) {
        const { code, headers } = visit.refusal;
        return { acknowledged: false, refusal: code, fields: headers };
      }
      const { session } = visit;
      if (login !== undefined) await session.login(login);
      if (add !== undefined) {
        session.update<number>('n', (n = 0) => n + 1);
        session.update<string[]>(add.key, (marks = []) => [...marks, add.mark]);
      }
      if (logout === true) await session.logout();
      const fields = visit.pending
        ? await visit.finish({ status: 200, cacheControl: undefined })
        : visit.headers;
      return {
        acknowledged: true,
        id: session.id,
        user: session.user,
        data: read === true ? session.all() : undefined,
        fields,
        token: fields.find(([name, value]) => name === 'set-cookie' && value !== '')?.[1],
      };
    } catch (error) {
      const known = error instanceof SessionError ? error : undefined;
      const fault = known?.code ?? 'UNKNOWN';
      const refusal = visit.refuse(error);
      return {
        acknowledged: false,
        fault,
        refusal: refusal?.code,
        fields: refusal?.headers ?? [],
        message: String(error),
      };
    } finally {
      visit.close();
    }
  }
}

function requestWith(token: string | undefined): VisitRequest {
  return {
    method: 'GET',
    path: '/',
    secure: true,
    host: 'race.example',
    upgrade: false,
    untrustedProxy: false,
    header: (name) => (name === 'cookie' ? token : undefined),
    query: () => [],
    client: () => CLIENT,
  };
}
