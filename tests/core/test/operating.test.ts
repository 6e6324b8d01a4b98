import { memory } from '@sessionkit/backend-memory';
import { SessionError, type SessionInfo } from '@sessionkit/session-core';
import { TestClock } from '@sessionkit/testkit';
import { cookie } from '@sessionkit/transport-cookie';
import { expect, test } from 'vitest';
import { Browser, world, wrap } from './harness.js';

const operator = { name: 'olga' };

async function one(options?: Parameters<typeof world>[0]) {
  const { service, manager, clock } = world(options);
  const browser = new Browser(service);
  const { visit } = await browser.visit((session) => session.set('cart', 1));
  const { id } = visit.session;
  if (id === undefined) throw new Error('no session');
  const shown = async (): Promise<SessionInfo> => {
    const info = await manager.get(id);
    if (info === undefined) throw new Error('the session is gone');
    return info;
  };
  return { manager, clock, browser, id, shown };
}

test('changes by operators are counted, with the time of the last; uses of the session and its end to come are not', async () => {
  const { manager, clock, browser, id, shown } = await one();
  expect((await shown()).altered).toBeUndefined();
  await manager.alter(id, { parameters: { log_info: true } }, operator);
  const first = (await shown()).altered;
  expect(first).toEqual({ count: 1, at: clock.now() });
  await clock.advance(1_000);
  await manager.alter(id, { parameters: { log_info: true } }, operator);
  await browser.visit((session) => session.set('cart', 2));
  await browser.visit((session) => session.login('ann'));
  await manager.end(id, operator, 60_000);
  expect((await shown()).altered).toEqual(first);
  await manager.restart(id, operator);
  expect((await shown()).altered).toEqual({ count: 2, at: clock.now() });
});

test('a service counts its sessions in its own store, whatever another one does', async () => {
  const clock = new TestClock();
  const down = wrap(memory({ now: () => clock.now() }), { count: () => Promise.reject(new Error('down')) });
  const { manager, service } = world({}, { clock });
  const other = manager.service('other', { transports: [cookie({ name: 'other' })], backend: down });
  await new Browser(service).visit((session) => session.set('cart', 1));
  expect(await service.count()).toBe(1);
  await expect(other.count()).rejects.toMatchObject({ code: 'BACKEND_FAILED' });
  await expect(manager.count()).rejects.toMatchObject({ code: 'BACKEND_FAILED' });
  expect(await manager.service('status').count()).toBe(0);
});

test('a restart keeps log levels, and drops them where that is asked for', async () => {
  const { manager, clock, id, shown } = await one();
  await manager.alter(id, { parameters: { log_info: true } }, operator);
  expect(await manager.restart(id, operator)).toBe(true);
  expect(await shown()).toMatchObject({ parameters: { log_info: true }, restartedAt: clock.now() });
  await manager.restart(id, operator, { reset: true });
  expect(await shown()).toMatchObject({ parameters: {}, filters: undefined, restartedAt: clock.now() });
});

test('all sessions are restarted by one mark, which later ones do not carry, and reset one by one', async () => {
  const { manager, clock, id, shown } = await one();
  const { version } = await shown();
  await clock.advance(1_000);
  await manager.restartAll(operator);
  expect(await shown()).toMatchObject({ restartedAt: clock.now(), version });
  await manager.alter(id, { parameters: { log_info: true } }, operator);
  await manager.restartAll(operator, { reset: true });
  expect((await shown()).parameters).toEqual({});
  await clock.advance(1_000);
  const [service] = manager.services.values();
  if (service === undefined) throw new Error('no service');
  const { visit } = await new Browser(service).visit();
  expect((await manager.get(visit.session.id ?? id))?.restartedAt).toBeUndefined();
});

test('an ended session, and one that never was, is neither altered nor restarted', async () => {
  const { manager, id } = await one();
  await manager.end(id, operator);
  expect(await manager.alter(id, { parameters: { log_info: true } }, operator)).toBe(false);
  expect(await manager.restart(id, operator)).toBe(false);
  expect(await manager.end(id, operator)).toBe(false);
});

test('a filter that is not there is refused before anything is changed', async () => {
  const { manager, id, shown } = await one();
  const both = { parameters: { log_info: true }, filters: ['cache'] };
  await expect(manager.alter(id, both, operator)).rejects.toMatchObject({ code: 'INVALID_VALUE' });
  expect(await shown()).toMatchObject({ parameters: {}, filters: undefined });
  await manager.alter(id, { filters: [] }, operator);
  expect((await shown()).filters).toEqual([]);
});

test('a guard that throws prevents the change, with what it threw; it sees what is changed, not what was read before', async () => {
  const { manager, id, shown } = await one();
  const refusal = new Error('precondition failed');
  const never = () => {
    throw refusal;
  };
  for (const change of [
    () => manager.alter(id, { parameters: { log_info: true } }, operator, never),
    () => manager.restart(id, operator, {}, never),
    () => manager.end(id, operator, 1_000, never),
    () => manager.end(id, operator, 0, never),
  ])
    await expect(change()).rejects.toBe(refusal);
  expect(await shown()).toMatchObject({ altered: undefined, killAt: undefined, alive: true });

  const unaltered = ({ altered }: SessionInfo) => {
    if (altered !== undefined) throw refusal;
  };
  const both = await Promise.allSettled([
    manager.alter(id, { parameters: { log_info: true } }, operator, unaltered),
    manager.alter(id, { parameters: { log_error: true } }, operator, unaltered),
  ]);
  expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  expect((await shown()).parameters).toEqual({ log_info: true });
});

test('a fault of the store is thrown as it is', async () => {
  const { manager, id } = await one();
  await manager.close();
  await expect(manager.restart(id, operator)).rejects.toBeInstanceOf(SessionError);
});
