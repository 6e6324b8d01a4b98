import { memory } from '@sessionkit/backend-memory';
import {
  type AnswerHead,
  type Backend,
  createSessionManager,
  type HeaderField,
  type ManagerOptions,
  type Refusal,
  type Service,
  type ServiceOptions,
  type Session,
  type SessionManager,
  type Visit,
  type VisitRequest,
} from '@sessionkit/session-core';
import { TestClock, type TestEnvironment, testEnvironment } from '@sessionkit/testkit';
import { cookie } from '@sessionkit/transport-cookie';
import './unhandled.js';

export interface World {
  readonly clock: TestClock;
  readonly environment: TestEnvironment;
  readonly manager: SessionManager;
  readonly service: Service;
  readonly backend: Backend;
}

/** One process with one service over a memory backend, all living by one clock. */
export function world(
  options: ServiceOptions = {},
  more: ManagerOptions & { clock?: TestClock } = {},
): World {
  const clock = more.clock ?? new TestClock();
  const environment = testEnvironment({ clock });
  const backend = options.backend ?? memory({ now: () => clock.now() });
  const manager = createSessionManager({ environment, ...more });
  const service = manager.service('shop', { transports: [cookie()], autoCreate: true, ...options, backend });
  return { clock, environment, manager, service, backend };
}

export interface RequestParts {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  readonly secure?: boolean;
  readonly host?: string;
  readonly upgrade?: boolean;
  readonly ip?: string;
  readonly untrustedProxy?: boolean;
}

export function request(parts: RequestParts = {}): VisitRequest {
  const headers = parts.headers ?? {};
  return {
    method: parts.method ?? 'GET',
    path: parts.path ?? '/',
    secure: parts.secure ?? false,
    host: parts.host ?? 'shop.example',
    upgrade: parts.upgrade ?? false,
    untrustedProxy: parts.untrustedProxy ?? false,
    header: (name) => headers[name],
    query: (name) => {
      const value = parts.query?.[name];
      return value === undefined ? [] : typeof value === 'string' ? [value] : value;
    },
    client: () => ({
      ip: parts.ip ?? '192.0.2.7',
      port: 40001,
      cipher: '',
      userAgent: 'test',
      attributes: {},
    }),
  };
}

export interface Answer {
  readonly status: number;
  readonly refusal: Refusal | undefined;
  readonly fields: readonly HeaderField[];
  readonly visit: Visit;
}

type Handler = (session: Session, visit: Visit) => unknown;

export function field(fields: readonly HeaderField[], name: string): string | undefined {
  return fields.find(([key]) => key.toLowerCase() === name)?.[1];
}

/** Runs a whole visit: opens, lets the handler work, stores, answers. A fault becomes its refusal, as on the wire. */
export async function visit(
  service: Service,
  parts: RequestParts = {},
  handler: Handler = () => undefined,
  head: Partial<AnswerHead> = {},
): Promise<Answer> {
  const opened = await service.open(request(parts));
  if (opened.refusal !== undefined) return refused(opened, opened.refusal);
  try {
    await handler(opened.session, opened);
    const fields = opened.pending
      ? await opened.finish({ status: 200, cacheControl: undefined, ...head })
      : opened.headers;
    return { status: 200, refusal: undefined, fields, visit: opened };
  } catch (fault) {
    const refusal = opened.refuse(fault);
    if (refusal === undefined) throw fault;
    return refused(opened, refusal);
  } finally {
    opened.close();
  }
}

function refused(opened: Visit, refusal: Refusal): Answer {
  return { status: refusal.status, refusal, fields: refusal.headers, visit: opened };
}

/** A client that keeps its cookies as a browser does. */
export class Browser {
  readonly jar = new Map<string, string>();
  readonly #service: Service;

  constructor(service: Service) {
    this.#service = service;
  }

  get cookie(): string {
    return [...this.jar].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  /** The token that it holds. */
  get token(): string | undefined {
    return this.jar.get('sxapi-sess');
  }

  async visit(handler?: Handler, parts: RequestParts = {}, head: Partial<AnswerHead> = {}): Promise<Answer> {
    const headers = { ...(this.jar.size > 0 ? { cookie: this.cookie } : {}), ...parts.headers };
    const answer = await visit(this.#service, { ...parts, headers }, handler, head);
    this.receive(answer.fields);
    return answer;
  }

  /** A visit that must be let in, so that what its handler expects has been looked at. */
  async look(handler: Handler, parts: RequestParts = {}): Promise<Answer> {
    const answer = await this.visit(handler, parts);
    if (answer.refusal !== undefined) throw new Error(`refused: ${answer.status} ${answer.refusal.code}`);
    return answer;
  }

  receive(fields: readonly HeaderField[]): void {
    for (const [name, value] of fields) {
      if (name.toLowerCase() !== 'set-cookie') continue;
      const [pair = '', ...attributes] = value.split('; ');
      const at = pair.indexOf('=');
      if (attributes.some((attribute) => /^max-age=0$/i.test(attribute))) this.jar.delete(pair.slice(0, at));
      else this.jar.set(pair.slice(0, at), pair.slice(at + 1));
    }
  }
}

/** The backend with some members replaced; `undefined` hides an ability. */
export function wrap(backend: Backend, members: Readonly<Record<string, unknown>>): Backend {
  return new Proxy(backend, {
    get(target, name) {
      if (typeof name === 'string' && name in members) return members[name];
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
    has: (target, name) =>
      typeof name === 'string' && name in members ? members[name] !== undefined : name in target,
  });
}
