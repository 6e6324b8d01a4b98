import { memory } from '@sessionkit/backend-memory';
import { type Change, createSessionManager, SessionError, type SessionId } from '@sessionkit/session-core';
import { TestClock, testEnvironment } from '@sessionkit/testkit';
import { cookie } from '@sessionkit/transport-cookie';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Browser, request } from './harness.js';
import { turns } from './rig.js';

const operator = { name: 'olga' };
const told = () => new Promise((resolve) => setImmediate(resolve));

/** A process that serves, and one that watches before it has a store. */
async function two() {
  const clock = new TestClock();
  const backend = memory({ now: () => clock.now(), log: () => undefined });
  const serving = createSessionManager({ environment: testEnvironment({ clock }) });
  const service = serving.service('shop', { transports: [cookie()], autoCreate: true, backend });
  const watching = createSessionManager({ environment: testEnvironment({ clock, random: 2 }) });
  const changes: Change[] = [];
  const stop = watching.watch((change) => changes.push(change));
  watching.service('shop', { transports: [cookie()], backend: backend.share() });
  onTestFinished(async () => {
    await serving.close();
    await watching.close();
  });
  const browser = new Browser(service);
  const { visit } = await browser.visit(async (session) => session.login('ann'));
  const { id } = visit.session;
  if (id === undefined) throw new Error('no session');
  return { serving, watching, changes, stop, id, service, browser };
}

describe('whoever watches', () => {
  test('is told of changes and ends by any process, until told no more', async () => {
    const { serving, watching, changes, stop, id } = await two();
    await serving.alter(id, { parameters: { log_info: true } }, operator);
    await watching.alter(id, { parameters: { log_info: false } }, operator);
    await told();
    expect(changes.map(({ what }) => what)).toEqual(['saved', 'saved']);
    const others: Change[] = [];
    serving.watch((change) => others.push(change));
    stop();
    await watching.end(id, operator);
    await told();
    expect(others).toMatchObject([{ id, what: 'ended', cause: 'killed' }]);
    expect(changes).toHaveLength(2);
  });

  test('and throws keeps nobody who holds the session from being told', async () => {
    const { serving, watching, id, service, browser } = await two();
    serving.watch(() => {
      throw new Error('a bug of the application');
    });
    const visit = await service.open(request({ headers: { cookie: browser.cookie } }));
    const { signal } = visit.session;
    await watching.end(id, operator);
    await turns();
    expect(signal.reason).toMatchObject({ endCause: 'killed' });
    visit.close();
  });

  test('learns whose a session is, also when it has ended', async () => {
    const { serving, watching, id } = await two();
    expect(await watching.owner(id)).toEqual({ service: 'shop', user: 'ann' });
    await serving.end(id, operator);
    expect(await watching.owner(id)).toEqual({ service: 'shop', user: 'ann' });
    expect(await watching.owner('s01k6y3v9qxm2r8t4w7z5b1c0d3' as SessionId)).toBeUndefined();
    await watching.close();
    await expect(watching.owner(id)).rejects.toThrow(SessionError);
  });
});
