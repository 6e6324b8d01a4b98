import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { memory } from '@sessionkit/backend-memory';
import {
  type Backend,
  createSessionManager,
  events,
  type Service,
  type SessionId,
  type Visit,
  type VisitRequest,
} from '@sessionkit/session-core';
import { TestClock, testEnvironment } from '@sessionkit/testkit';
import { cookie } from '@sessionkit/transport-cookie';
import { Registry } from 'prom-client';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createMetrics } from '../src/index.js';

function world(options: { backend?: Backend } = {}) {
  const clock = new TestClock();
  const environment = testEnvironment({ clock });
  const backend = options.backend ?? memory({ now: () => clock.now() });
  const manager = createSessionManager({ environment });
  const service = manager.service('shop', { transports: [cookie()], autoCreate: true, backend });
  manager.service('status');
  const metrics = createMetrics({ manager, process: false });
  onTestFinished(async () => {
    metrics.close();
    await manager.close();
  });
  return { clock, manager, service, metrics };
}

function request(token?: string): VisitRequest {
  return {
    method: 'GET',
    path: '/',
    secure: false,
    host: 'shop.example',
    upgrade: false,
    untrustedProxy: false,
    header: (name) => (name === 'cookie' && token !== undefined ? token : undefined),
    query: () => [],
    client: () => ({ ip: '192.0.2.7', port: 1, cipher: '', userAgent: '', attributes: {} }),
  };
}

async function visit(service: Service, token?: string, act: (visit: Visit) => unknown = () => {}) {
  const opened = await service.open(request(token));
  if (opened.refusal !== undefined) return { token, id: undefined };
  await act(opened);
  const fields = await opened.finish({ status: 200, cacheControl: undefined });
  opened.close();
  const set = fields.find(([name]) => name.toLowerCase() === 'set-cookie')?.[1].split(';')[0];
  return { token: set ?? token, id: opened.session.id as SessionId };
}

/** The samples without the time that calls took. */
async function samples(metrics: { text(): Promise<string> }): Promise<string[]> {
  const lines = (await metrics.text()).split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#') && !line.includes('_duration_'));
}

it('counts what happens to sessions, by service and by the words of closed lists', async () => {
  const { service, manager, metrics, clock } = world();
  const operator = { name: 'olga' };
  const first = await visit(service);
  await visit(service);
  const loggedIn = await visit(service, first.token, ({ session }) => session.login('ann'));
  await clock.advance(61_000);
  const rotated = await visit(service, loggedIn.token, ({ session }) => session.rotate());
  await manager.alter(first.id as SessionId, { parameters: { log_info: true } }, operator);
  await manager.restart(first.id as SessionId, operator);
  await manager.restartAll(operator);
  await manager.end(first.id as SessionId, operator, 60_000);
  await manager.end(first.id as SessionId, operator);
  await visit(service, rotated.token);
  await clock.advance(1_000);
  expect(await samples(metrics)).toEqual(
    expect.arrayContaining([
      'sessionkit_sessions_created_total{service="shop"} 2',
      'sessionkit_logins_total{service="shop"} 1',
      'sessionkit_rotations_total{service="shop"} 1',
      'sessionkit_operator_changes_total{what="altered"} 1',
      'sessionkit_operator_changes_total{what="restarted"} 1',
      'sessionkit_operator_changes_total{what="restarted_all"} 1',
      'sessionkit_operator_changes_total{what="ending"} 1',
      'sessionkit_sessions_ended_total{cause="killed"} 1',
      'sessionkit_visits_refused_total{service="shop",code="session_ended"} 1',
      'sessionkit_sessions{service="shop"} 1',
    ]),
  );
  await clock.advance(3_600_000 + 400_000);
  const after = await samples(metrics);
  expect(after).toContain('sessionkit_sessions{service="shop"} 0');
  expect(after.some((line) => /^sessionkit_sessions_swept_total\{store="memory"\} [12]$/.test(line))).toBe(
    true,
  );
});

it('counts a save that lost against another process', async () => {
  const backend = memory();
  const { service, metrics } = world({ backend });
  const other = createSessionManager();
  onTestFinished(() => other.close());
  const far = other.service('shop', { transports: [cookie()], backend: backend.share() });
  const { token } = await visit(service);
  expect(await samples(metrics)).toContain('sessionkit_conflicts_total 0');
  await visit(service, token, async ({ session }) => {
    session.set('a', 1);
    await visit(far, token, (theirs) => theirs.session.set('b', 2));
  });
  expect(await samples(metrics)).toContain('sessionkit_conflicts_total 1');
});

it('times the calls of a store and counts their faults, and leaves out a count that it cannot give', async () => {
  const sound = memory();
  let down = false;
  const backend = new Proxy(sound, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      if (down && (name === 'load' || name === 'count')) return () => Promise.reject(new Error('down'));
      return member.bind(target);
    },
  });
  const { service, metrics } = world({ backend });
  const { token } = await visit(service);
  await visit(service, token);
  down = true;
  await visit(service, token);
  const text = await metrics.text();
  expect(text).toMatch(/sessionkit_store_call_duration_seconds_count\{store="memory",verb="load"\} 2/);
  expect(text).toContain('sessionkit_store_faults_total{store="memory",verb="load",code="BACKEND_FAILED"} 1');
  expect(text).not.toMatch(/^sessionkit_sessions\{/m);
});

/** A store that answers a count as it is told to, or has no way to count. */
function counting(count?: () => Promise<number>): Backend {
  return new Proxy(memory(), {
    get(target, name) {
      if (name === 'count') return count;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

const never = () => new Promise<number>(() => {});

/** Services by name, each with a store of its own, and the counts that the metrics have of them. */
function counted(stores: Record<string, Backend>, deadline = 60_000) {
  const manager = createSessionManager({ deadline });
  for (const [name, backend] of Object.entries(stores))
    manager.service(name, { transports: [cookie()], backend });
  const metrics = createMetrics({ manager, process: false });
  onTestFinished(async () => {
    metrics.close();
    await manager.close();
  });
  return async () => (await samples(metrics)).filter((line) => line.startsWith('sessionkit_sessions{'));
}

it('has the counts of all stores but those that fail, are silent, or cannot count', async () => {
  const failing = counting(() => Promise.reject(new Error('down')));
  const read = counted(
    { blind: counting(), silent: counting(never), failing, shop: counting(async () => 7) },
    100,
  );
  expect(await read()).toEqual(['sessionkit_sessions{service="shop"} 7']);
});

it('waits for silent stores 5 s in all, however long a call may take', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const read = counted({ one: counting(never), other: counting(never), shop: counting(async () => 7) });
  const reading = read();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(await reading).toEqual(['sessionkit_sessions{service="shop"} 7']);
});

it('has all counts of each of two readings at a time', async () => {
  const waiting: ((count: number) => void)[] = [];
  const held = () => new Promise<number>((resolve) => waiting.push(resolve));
  const read = counted({ help: counting(held), shop: counting(held) });
  const first = read();
  await expect.poll(() => waiting.length).toBe(2);
  const second = read();
  await expect.poll(() => waiting.length).toBe(4);
  const both = ['sessionkit_sessions{service="help"} 1', 'sessionkit_sessions{service="shop"} 1'];
  for (const answer of waiting.splice(0, 2)) answer(1);
  expect(await first).toEqual(both);
  for (const answer of waiting.splice(0)) answer(1);
  expect(await second).toEqual(both);
});

it('counts once what services share, and together what a group has in two stores', async () => {
  const manager = createSessionManager();
  const shared = counting(async () => 3);
  const options = { transports: [cookie()], share: 'family' };
  manager.service('shop', { ...options, backend: shared });
  manager.service('help', { ...options, backend: shared });
  manager.service('news', { ...options, backend: counting(async () => 4) });
  const metrics = createMetrics({ manager, process: false });
  onTestFinished(async () => {
    metrics.close();
    await manager.close();
  });
  expect(await samples(metrics)).toContain('sessionkit_sessions{service="family"} 7');
});

it('has metrics of the process as well, and stops counting when it is closed', async () => {
  const manager = createSessionManager();
  const metrics = createMetrics({ manager });
  expect(metrics.contentType).toContain('text/plain');
  expect(await metrics.text()).toContain('process_resident_memory_bytes');
  metrics.close();
  expect(events.created.hasSubscribers).toBe(false);
  await manager.close();
});

it('names in the README every metric that there is, with its type and its labels, and no other', () => {
  const registry = new Registry();
  const manager = createSessionManager();
  const metrics = createMetrics({ manager, registry, process: false });
  onTestFinished(async () => {
    metrics.close();
    await manager.close();
  });
  // What the library knows of a metric besides its public members.
  const there = registry
    .getMetricsAsArray()
    .map((metric) => metric as typeof metric & { readonly type: string; readonly labelNames: string[] })
    .map(({ name, type, labelNames }) => [name, type, [...labelNames].sort()]);
  const readme = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');
  const named = [...readme.matchAll(/^\| `(sessionkit_\w+)` +\| (\w+) +\| ([^|]*) \|/gm)].map(
    ([, name, type, labels = '']) => [
      name,
      type,
      [...labels.matchAll(/\w+/g)].map(([label]) => label).sort(),
    ],
  );
  const byName = (a: readonly unknown[], b: readonly unknown[]) => (String(a[0]) < String(b[0]) ? -1 : 1);
  expect(named.sort(byName)).toEqual(there.sort(byName));
});
