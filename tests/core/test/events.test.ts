import { type Channel, channel } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { events, onEvent, SessionError, type SessionEventName } from '@sessionkit/session-core';
import { expect, onTestFinished, test } from 'vitest';
import { Browser, world, wrap } from './harness.js';

const NAMES = Object.values(events).map((each) => String((each as Channel).name)) as SessionEventName[];

/** The members of each payload by its channel, as the README tells them. */
const documented = new Map(
  [
    ...readFileSync(join(import.meta.dirname, '../../../packages/session-core/README.md'), 'utf8').matchAll(
      /^\| `(sessionkit:[\w.]+)` \| ([^|]+) \|/gm,
    ),
  ].map(([, name = '', members = '']) => [
    name,
    [...members.matchAll(/`(\w+)`/g)].map(([, member]) => member),
  ]),
);

const formOf = (members: readonly (string | undefined)[]) => [...members].sort().join();
/** The forms of all payloads that were published in one test or another, by channel. */
const seen = new Map<string, Set<string>>();

/** Short names of what is published, and the payloads. */
function listen() {
  const heard: { name: string; payload: object }[] = [];
  for (const name of NAMES)
    onTestFinished(
      onEvent(name, (payload) => {
        heard.push({ name: name.slice(name.indexOf('.') + 1), payload });
        seen.set(name, (seen.get(name) ?? new Set()).add(formOf(Object.keys(payload))));
      }),
    );
  const take = () => heard.splice(0).filter(({ name }) => name !== 'call');
  return { heard, take };
}

const operator = { name: 'olga' };

test('what happens to a session is published as it happens, with no credential and no data in it', async () => {
  const { service, manager, clock } = world();
  const { heard, take } = listen();
  const all: unknown[] = [];
  const said = () => {
    const taken = take();
    all.push(...taken);
    return taken.map(({ name }) => name);
  };
  const browser = new Browser(service);
  const { visit } = await browser.visit((session) => session.set('cart', 'a private matter'));
  const { id } = visit.session;
  if (id === undefined) throw new Error('no session');
  const tokens = [browser.token];
  expect(said()).toEqual(['created']);
  await browser.visit();
  expect(said()).toEqual([]);
  await browser.visit((session) => session.set('cart', 2));
  expect(heard).toContainEqual({
    name: 'changed',
    payload: { id, service: 'shop', user: undefined, version: 2 },
  });
  expect(said()).toEqual(['changed']);
  await browser.visit((session) => session.login('ann'));
  tokens.push(browser.token);
  expect(heard.filter(({ name }) => name === 'login')).toMatchObject([
    { payload: { user: 'ann', epoch: 1 } },
  ]);
  expect(said()).toEqual(['changed', 'login']);
  await clock.advance(61_000);
  await browser.visit((session) => session.rotate().then(() => {}));
  tokens.push(browser.token);
  expect(said()).toEqual(['changed', 'rotated']);
  await manager.alter(id, { parameters: { log_info: true } }, operator);
  await manager.restart(id, operator);
  await manager.restartAll(operator);
  expect(heard.filter(({ name }) => name === 'restarted')).toEqual([
    { name: 'restarted', payload: { service: 'shop', by: 'olga' } },
  ]);
  await manager.end(id, operator, 60_000);
  expect(said().filter((name) => name !== 'changed')).toEqual(['altered', 'altered', 'restarted', 'altered']);
  await manager.end(id, operator);
  expect(heard.filter(({ name }) => name === 'ended')).toEqual([
    { name: 'ended', payload: { id, cause: 'killed', by: 'olga' } },
  ]);
  expect(said()).toEqual(['ended']);
  await browser.visit();
  expect(heard.filter(({ name }) => name === 'refused')).toMatchObject([
    { payload: { service: 'shop', code: 'session_ended' } },
  ]);
  expect(said()).toEqual(['refused']);
  await clock.advance(3_600_000 + 400_000);
  expect(said()).toEqual(['swept']);

  const text = JSON.stringify(all);
  expect(text).not.toContain('private');
  for (const token of tokens) expect(text).not.toContain(token?.split('.')[1]);
});

test('each call of a store is published with its duration and the code of its fault', async () => {
  let down = false;
  const { backend: sound } = world();
  const load: typeof sound.load = (ids, signal) =>
    down ? Promise.reject(new SessionError('BACKEND_DOWN', 'down')) : sound.load(ids, signal);
  const { service } = world({ backend: wrap(sound, { load }) });
  const { heard } = listen();
  const browser = new Browser(service);
  await browser.visit();
  await browser.visit();
  down = true;
  await browser.visit();
  const calls = heard.filter(({ name }) => name === 'call').map(({ payload }) => payload);
  expect(calls).toContainEqual({
    store: 'memory',
    verb: 'load',
    duration: expect.any(Number),
    fault: undefined,
  });
  expect(calls).toContainEqual({
    store: 'memory',
    verb: 'load',
    duration: expect.any(Number),
    fault: 'BACKEND_DOWN',
  });
  expect(heard.filter(({ name }) => name === 'refused')).toMatchObject([
    { payload: { code: 'store_unavailable' } },
  ]);
});

test('a save that lost against another process is published, and that its changes came about all the same', async () => {
  const { service, backend } = world();
  const { heard } = listen();
  const browser = new Browser(service);
  await browser.visit((session) => session.set('a', 1));
  await browser.visit(async (session, { session: { id } }) => {
    session.set('b', 2);
    const [stored] = await backend.load([id as never], new AbortController().signal);
    if (stored === undefined || stored instanceof Error) throw new Error('not stored');
    await backend.save(
      { ...stored, version: stored.version + 1, writes: [...stored.writes, 'another'] },
      new AbortController().signal,
    );
  });
  expect(heard.map(({ name }) => name).filter((name) => name === 'conflict')).toEqual(['conflict']);
});

test('nobody is told who has stopped listening, and nothing is made for nobody', async () => {
  const { service } = world();
  let heard = 0;
  const stop = onEvent('sessionkit:session.created', () => {
    heard += 1;
  });
  await new Browser(service).visit();
  stop();
  stop();
  await new Browser(service).visit();
  expect(heard).toBe(1);
  expect(channel('sessionkit:session.created').hasSubscribers).toBe(false);
});

test('the README names each channel with the members of its payload, and each was seen with these and no others', () => {
  const told = new Map([...documented].map(([name, members]) => [name, new Set([formOf(members)])]));
  expect([...told.keys()].sort()).toEqual([...NAMES].sort());
  expect(seen).toEqual(told);
});
