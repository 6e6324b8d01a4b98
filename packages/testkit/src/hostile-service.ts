import assert from 'node:assert/strict';
import {
  type Backend,
  createSessionManager,
  nameProblem,
  parseToken,
  type Service,
  type ServiceOptions,
  type Session,
  SessionError,
  type SessionManager,
  type Transport,
  type VisitRequest,
} from '@sessionkit/session-core';
import type { HostileCase, HostileKit } from './hostile-kit.js';
import { NAMES, REFUSED_NAMES } from './hostile-values.js';

const HEADER = 'x-hostile-token';

const transport: Transport = {
  type: 'hostile',
  ambient: false,
  lenient: false,
  carrier: { requestHeader: HEADER, responseHeader: HEADER },
  vary: HEADER,
  read: (request) => [request.header(HEADER) ?? []].flat(),
  issue: (token) => [[HEADER, token]],
  clear: () => [[HEADER, 'cleared']],
  challenge: () => [],
};

function requestWith(token: string | undefined): VisitRequest {
  return {
    method: 'GET',
    path: '/',
    secure: true,
    host: 'hostile.example',
    upgrade: false,
    untrustedProxy: false,
    header: (name) => (name === HEADER ? token : undefined),
    query: () => [],
    client: () => ({ ip: '192.0.2.1', port: 1, cipher: '', userAgent: 'hostile', attributes: {} }),
  };
}

interface Visited {
  /** 200 when it was let in and its changes were stored. */
  readonly status: number;
  readonly code: string | undefined;
  readonly token: string | undefined;
}

/** One visit, driven as HTTP drives it. */
async function visit(
  service: Service,
  token: string | undefined,
  handler: (session: Session) => unknown = () => {},
): Promise<Visited> {
  const open = await service.open(requestWith(token));
  try {
    if (open.refusal === undefined) await handler(open.session);
    const head = { status: 200, cacheControl: undefined };
    const fields = open.refusal?.headers ?? (open.pending ? await open.finish(head) : open.headers);
    const issued = fields.find(([name]) => name === HEADER)?.[1];
    return { status: open.refusal?.status ?? 200, code: open.refusal?.code, token: issued };
  } finally {
    open.close();
  }
}

/** Two processes of an application, one on each instance. */
async function processes(
  kit: HostileKit,
  run: (
    one: SessionManager,
    two: SessionManager,
    both: (name: string, more?: ServiceOptions) => Service[],
  ) => Promise<void>,
): Promise<void> {
  const managers = [kit.a, kit.b].map((backend: Backend) => ({
    backend,
    manager: createSessionManager({ environment: kit.environment }),
  }));
  const both = (name: string, more: ServiceOptions = {}) =>
    managers.map(({ manager, backend }) =>
      manager.service(name, { backend, transports: [transport], autoCreate: 'on_write', ...more }),
    );
  const [one, two] = managers.map(({ manager }) => manager);
  assert.ok(one !== undefined && two !== undefined);
  try {
    await run(one, two, both);
  } finally {
    await Promise.all(managers.map(({ manager }) => manager.close()));
  }
}

async function refusedByCore(doing: () => unknown, what: string): Promise<void> {
  let fault: unknown;
  try {
    await doing();
  } catch (error) {
    fault = error;
  }
  assert.ok(fault instanceof SessionError, `${what} was taken, or failed with ${fault}`);
  assert.equal(fault.code, 'INVALID_VALUE');
  assert.match(fault.message, /must/, 'the refusal does not say what is wrong');
}

export const serviceCases: readonly HostileCase[] = [
  {
    name: 'a user and a key of data go through two processes byte for byte, or are refused before the store is asked',
    run: (kit) =>
      processes(kit, async (_, two, both) => {
        const [here, there] = both('shop');
        assert.ok(here !== undefined && there !== undefined);
        for (const name of [...NAMES, ...REFUSED_NAMES]) {
          kit.tally.values++;
          if (nameProblem(name) !== undefined) {
            await visit(here, undefined, async (session) => {
              await refusedByCore(() => session.login(name), 'a user');
              await refusedByCore(() => session.set(name, 1), 'a key');
            });
            kit.tally.refused++;
            continue;
          }
          const value = { [name === 'length' ? 'x' : name]: [name] };
          const { token } = await visit(here, undefined, async (session) => {
            session.set(name, value);
            await session.login(name);
          });
          const seen = await visit(there, token, (session) => {
            assert.equal(session.user, name);
            assert.deepEqual(session.keys(), [name]);
            assert.equal(JSON.stringify(session.get(name)), JSON.stringify(value));
          });
          assert.equal(seen.status, 200);
          kit.tally.kept++;
          if (!('list' in kit.b)) continue;
          const { items } = await two.list({ user: name, service: 'shop' });
          assert.deepEqual(
            items.map(({ user }) => user),
            [name],
          );
          assert.equal(await two.count({ user: name }), 1);
        }
      }),
  },
  {
    ability: 'slots',
    name: 'users that look alike do not take each other their sessions',
    run: (kit) =>
      processes(kit, async (_, two, both) => {
        const services = both('shop', { maxPerUser: { max: 1, full: 'oldest' } });
        const login = (at: number, name: string) =>
          visit(services[at % 2] as Service, undefined, (session) => session.login(name));
        const tokens: (string | undefined)[] = [];
        for (const [at, name] of NAMES.entries()) tokens.push((await login(at, name)).token);
        for (const [at, name] of NAMES.entries()) {
          const seen = await visit(services[0] as Service, tokens[at], ({ user }) =>
            assert.equal(user, name),
          );
          assert.equal(seen.status, 200, `${JSON.stringify(name)} was logged out by another user`);
        }
        // A second session of a user ends the first one, and no other.
        await login(0, 'Ann');
        const still = NAMES.map((name, at) => [name, at] as const).filter(([name]) => name !== 'Ann');
        for (const [, at] of still.slice(0, 20))
          assert.equal((await visit(services[1] as Service, tokens[at])).status, 200);
        const first = await visit(services[1] as Service, tokens[NAMES.indexOf('Ann')]);
        assert.equal(first.code, 'session_ended');
        if ('list' in kit.b) assert.equal(await two.count({ user: 'Ann' }), 1);
      }),
  },
  {
    applies: ({ damages = [] }) => damages.some(({ readable }) => readable !== true),
    name: 'who has a damaged session gets 503, not a new session; everybody else is served',
    run: (kit) =>
      processes(kit, async (one, _, both) => {
        const [here, there] = both('shop', { onDead: 'renew', autoCreate: true });
        assert.ok(here !== undefined && there !== undefined);
        for (const damage of kit.damages) {
          if (damage.readable) continue;
          const login = () => visit(here, undefined, (session) => session.login('ann'));
          const [{ token: mine = '' }, { token: other = '' }] = [await login(), await login()];
          const id = parseToken(mine)?.id;
          assert.ok(id !== undefined, 'a login gave no token');
          await damage.apply(id);
          kit.tally.damaged++;
          const refused: Visited = await visit(there, mine);
          const served: Visited = await visit(there, other);
          assert.deepEqual(
            refused,
            { status: 503, code: 'store_unavailable', token: undefined },
            damage.name,
          );
          assert.equal(served.status, 200, damage.name);
          await assert.rejects(one.get(id), { code: 'RECORD_CORRUPT' }, damage.name);
          if (!('list' in kit.a)) continue;
          const { items } = await one.list({ user: 'ann' });
          assert.ok(
            items.some((item) => other.startsWith(item.id)),
            `${damage.name}: the others are not listed`,
          );
        }
      }),
  },
];
