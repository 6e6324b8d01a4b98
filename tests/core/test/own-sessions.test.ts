import { type Session, SessionError, type SessionId } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { expect, it } from 'vitest';
import { Browser, request, type World, world, wrap } from './harness.js';
import { down, idOf, operator, recordOf, rig, turns } from './rig.js';

/** Browsers in which the user is logged in, each with a session of its own. */
async function browsers({ service, clock }: World, user: string, count: number): Promise<Browser[]> {
  const all: Browser[] = [];
  for (let i = 0; i < count; i++) {
    const browser = new Browser(service);
    await browser.look((session) => session.login(user), { ip: `192.0.2.${i}` });
    all.push(browser);
    await clock.advance(1_000);
  }
  return all;
}

const fault = (error: unknown) => (error instanceof SessionError ? [error.code, error.clientCode] : error);
const codeOf = async (browser: Browser) => (await browser.visit()).refusal?.code;

it('a user sees the own living sessions of the service and no others', async () => {
  const one = world();
  const [first, second, ended] = (await browsers(one, 'ann', 3)) as [Browser, Browser, Browser];
  await browsers(one, 'bob', 1);
  await new Browser(one.service).look((session) => session.set('n', 1));
  const elsewhere = one.manager.service('other', {
    backend: one.backend,
    transports: [cookie({ name: 'other' })],
  });
  await new Browser(elsewhere).visit((session) => session.login('ann'));
  await ended.look((session) => session.logout());
  let seen: Awaited<ReturnType<Session['sessions']>> = [];
  await second.look(async (session) => {
    seen = await session.sessions();
  });
  expect(seen.map(({ id, current, client }) => [id, current, client.ip])).toEqual([
    [idOf(first), false, '192.0.2.0'],
    [idOf(second), true, '192.0.2.1'],
  ]);
  const at = one.clock.now();
  expect(seen.map(({ startedAt, authenticatedAt, seenAt }) => [startedAt, authenticatedAt, seenAt])).toEqual([
    [at - 4_000, at - 4_000, at - 4_000],
    [at - 3_000, at - 3_000, at],
  ]);
  expect(Object.keys(seen[0] ?? {}).sort()).toEqual(
    ['authenticatedAt', 'client', 'current', 'id', 'seenAt', 'startedAt'].sort(),
  );
});

it('one that has run out is not among them', async () => {
  const one = world({ duration: 60_000, idleTimeout: 10_000 });
  const [first] = (await browsers(one, 'ann', 1)) as [Browser];
  await one.clock.advance(10_000);
  const [second] = (await browsers(one, 'ann', 1)) as [Browser];
  await second.look(async (session) => {
    expect((await session.sessions()).map(({ id }) => id)).toEqual([idOf(second)]);
    expect(await session.end(idOf(first))).toBe(false);
    expect(await session.endOthers()).toBe(0);
  });
});

it("ends one of them by its id, and nobody else's", async () => {
  const one = world();
  const [first, second] = (await browsers(one, 'ann', 2)) as [Browser, Browser];
  const [other] = (await browsers(one, 'bob', 1)) as [Browser];
  await second.look(async (session) => {
    expect(await session.end(idOf(other))).toBe(false);
    expect(await session.end('s0000000000000000000000000' as SessionId)).toBe(false);
    expect(await session.end(idOf(first))).toBe(true);
    expect(await session.end(idOf(first))).toBe(false);
  });
  expect(await codeOf(first)).toBe('session_ended');
  expect(await codeOf(other)).toBeUndefined();
  expect(await codeOf(second)).toBeUndefined();
  expect((await recordOf(one.backend, idOf(second))).ended).toBeUndefined();
});

it('ends the one that asks as a logout does', async () => {
  const one = world();
  const [browser] = (await browsers(one, 'ann', 1)) as [Browser];
  const id = idOf(browser);
  await browser.look(async (session) => expect(await session.end(id)).toBe(true));
  expect(browser.token).toBeUndefined();
  expect((await recordOf(one.backend, id)).ended).toMatchObject({ cause: 'logout', by: 'ann' });
});

it('ends all others: their tokens and what they hold open, in every process', async () => {
  const one = rig();
  const two = world({ backend: one.real.share() }, { clock: one.clock });
  const [first] = (await browsers(one, 'ann', 1)) as [Browser];
  const [second, third] = (await browsers(two, 'ann', 2)) as [Browser, Browser];
  const [other] = (await browsers(two, 'bob', 1)) as [Browser];
  const signals: AbortSignal[] = [];
  const hold = async (browser: Browser) => {
    const visit = await two.service.open(request({ headers: { cookie: browser.cookie } }));
    signals.push(visit.session.signal);
  };
  for (const browser of [second, third, other]) await hold(browser);
  await first.look(async (session) => expect(await session.endOthers()).toBe(2));
  await turns(20);
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, false]);
  expect(signals[0]?.reason).toMatchObject({ endCause: 'logout' });
  expect(await Promise.all([first, second, third, other].map(codeOf))).toEqual([
    undefined,
    'session_ended',
    'session_ended',
    undefined,
  ]);
});

it('ends all, the one that asks included', async () => {
  const one = world();
  const all = await browsers(one, 'ann', 3);
  const ids = all.map(idOf);
  const [browser] = all as [Browser];
  await browser.look(async (session) => expect(await session.endAll()).toBe(3));
  expect(browser.token).toBeUndefined();
  for (const id of ids) expect((await recordOf(one.backend, id)).ended?.cause).toBe('logout');
});

it('ends more than one page of them', async () => {
  const one = rig();
  const all = await browsers(one, 'ann', 7);
  const pages: number[] = [];
  one.broken.list = async (query: Parameters<typeof one.real.list>[0], signal: AbortSignal) => {
    const page = await one.real.list({ ...query, limit: 3 }, signal);
    pages.push(page.items.length);
    return page;
  };
  await (all[3] as Browser).look(async (session) => expect(await session.endOthers()).toBe(6));
  // And once more, for those that have come meanwhile.
  expect(pages).toEqual([3, 3, 1, 1]);
});

it('ends also those that log in meanwhile, in whatever process', async () => {
  const one = rig();
  const two = world({ backend: one.real.share() }, { clock: one.clock });
  // Its session is older than all, so that the list has passed it by when it is logged in.
  const late = new Browser(two.service);
  await late.look((session) => session.set('cart', ['tea']));
  const [first, second] = (await browsers(one, 'ann', 2)) as [Browser, Browser];
  let ends = 0;
  one.broken.end = async (...parts: Parameters<typeof one.real.end>) => {
    const ended = await one.real.end(...parts);
    if (ends++ === 0) await late.look((session) => session.login('ann'));
    return ended;
  };
  await first.look(async (session) => expect(await session.endOthers()).toBe(2));
  expect(ends).toBe(2);
  expect(await Promise.all([first, second, late].map(codeOf))).toEqual([
    undefined,
    'session_ended',
    'session_ended',
  ]);
});

it('a session without a user has none', async () => {
  const { service } = world();
  await new Browser(service).look(async (session) => {
    for (const verb of [
      () => session.sessions(),
      () => session.endOthers(),
      () => session.endAll(),
      () => session.end('s0000000000000000000000000' as SessionId),
    ])
      expect(await verb().catch(fault)).toEqual(['UNSUPPORTED', 'session_required']);
  });
  const answer = await new Browser(service).visit((session) => session.endOthers());
  expect([answer.status, answer.refusal?.code]).toEqual([401, 'session_required']);
});

it('a rotated token in its last 30 s may not', async () => {
  const one = world();
  const [browser, other] = (await browsers(one, 'ann', 2)) as [Browser, Browser];
  await one.clock.advance(60_000);
  const old = new Browser(one.service);
  for (const [name, text] of browser.jar) old.jar.set(name, text);
  await browser.look((session) => session.rotate());
  await browser.look(() => undefined);
  await old.look(async (session) => {
    expect(session.readOnly).toBe(true);
    for (const verb of [() => session.endOthers(), () => session.endAll(), () => session.end(idOf(other))])
      expect(await verb().catch(fault)).toEqual(['SESSION_READ_ONLY', 'session_read_only']);
    expect(await session.sessions()).toHaveLength(2);
  });
  expect(await Promise.all([browser, other].map(codeOf))).toEqual([undefined, undefined]);
});

it('a store that can not list says so, and nobody is logged out', async () => {
  const one = rig();
  const blind = world(
    { backend: wrap(one.real, { list: undefined, count: undefined }) },
    { clock: one.clock },
  );
  const [first, second] = (await browsers(blind, 'ann', 2)) as [Browser, Browser];
  await first.look(async (session) => {
    const error = await session.endAll().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'UNSUPPORTED', message: "backend memory can't list sessions" });
    // By its id it needs no list.
    expect(await session.end(idOf(second))).toBe(true);
  });
  expect(await codeOf(first)).toBeUndefined();
});

it('a store that is down ends nothing and says so', async () => {
  const one = rig();
  const [first, second] = (await browsers(one, 'ann', 2)) as [Browser, Browser];
  one.broken.end = down;
  const answer = await first.visit((session) => session.endAll());
  expect([answer.status, answer.refusal?.code]).toEqual([503, 'store_unavailable']);
  delete one.broken.end;
  expect(await Promise.all([first, second].map(codeOf))).toEqual([undefined, undefined]);
  expect(await one.manager.end(idOf(second), operator)).toBe(true);
});
