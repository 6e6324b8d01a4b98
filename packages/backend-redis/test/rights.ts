import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Backend, can, type SessionRecord } from '@sessionkit/session-core';
import { makeRecord, nextRecord, type TestEnvironment } from '@sessionkit/testkit';
import { expect } from 'vitest';
import { signal } from './harness.js';

const LISTED =
  /`(~PREFIX\*[^`]*)`,\s+and for the scripts `([^`]*)`\. With `durable` also `([^`]*)`; in a Cluster also `([^`]*)`/;

interface Server {
  ask(...command: string[]): Promise<string>;
}

/** The rules of the README for keys with this prefix, with `durable`; those of a Cluster too. */
export function listedRights(prefix: string, { cluster }: { readonly cluster: boolean }): readonly string[] {
  const readme = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');
  const [, ...lists] = LISTED.exec(readme) ?? expect.fail('the README lists no rights');
  const rules = (cluster ? lists : lists.slice(0, -1)).join(' ').replaceAll('PREFIX', prefix);
  return rules.split(/\s+/);
}

/** Makes a user who has these rights and no others, and forgets what was called so far. */
export async function grant(servers: readonly Server[], user: string, rules: readonly string[]) {
  for (const server of servers) {
    expect(await server.ask('ACL', 'SETUSER', user, 'on', '>word', ...rules)).toBe('+OK\r\n');
    await server.ask('ACL', 'LOG', 'RESET');
    await server.ask('CONFIG', 'RESETSTAT');
  }
}

/** Asserts that none of these rights was missed, and that none is listed which nobody used, but for `seldom`. */
export async function expectJustThese(
  servers: readonly Server[],
  rules: readonly string[],
  seldom: readonly string[] = [],
) {
  const called = new Set<string>();
  for (const server of servers) {
    expect(await server.ask('ACL', 'LOG')).toBe('*0\r\n');
    const stats = await server.ask('INFO', 'commandstats');
    for (const [, name = ''] of stats.matchAll(/^cmdstat_([^:\r\n]+):/gm)) called.add(name);
  }
  const listed = rules.filter((rule) => rule.startsWith('+')).map((rule) => rule.slice(1));
  expect(listed.filter((name) => !called.has(name))).toEqual(seldom);
}

/** Every verb, on the way that each takes now and then: scripts that the servers have lost, entries without their session, a journal that is full. */
export async function everything(
  backend: Backend,
  environment: TestEnvironment,
  { forgetScripts, ghost }: { forgetScripts(): Promise<unknown>; ghost(entry: string): Promise<unknown> },
): Promise<void> {
  const all = ['inspect', 'sweep', 'watch', 'slots', 'journal', 'presence'] as const;
  for (const ability of all) expect(can(backend, ability)).toBe(true);
  if (!can(backend, 'inspect') || !can(backend, 'sweep') || !can(backend, 'watch')) return;
  if (!can(backend, 'slots') || !can(backend, 'journal') || !can(backend, 'presence')) return;
  const now = (await backend.now(signal)) ?? environment.now();
  const heard: unknown[] = [];
  const stop = await backend.watch((change) => heard.push(change));
  const record = makeRecord(environment, { user: 'ann' });
  const { id } = record;
  expect(await backend.save(record, signal)).toBe(true);
  const next = nextRecord(environment, record, { user: 'bob', epoch: 1, killAt: now + 60_000 });
  expect(await backend.save(next, signal)).toBe(true);
  await forgetScripts();
  expect(await backend.save(nextRecord(environment, next, { user: undefined }), signal)).toBe(true);
  expect(await backend.touch([{ id, epoch: 1, seenAt: now + 5 }], signal)).toEqual([]);
  for (let batch = 0; batch < 70; batch++)
    await backend.append({ batchId: `${batch}`, entries: [{ id, at: now, kind: 'log', text: 'x' }] }, signal);
  expect((await backend.read([id], signal))[0]).toHaveLength(70);
  await backend.announce('one', [{ id, process: 'one', since: now, detail: {} }], 5_000, signal);
  expect(await backend.present([id], signal)).toHaveLength(1);
  const claim = { service: 'shop', user: 'bob', at: now, max: 1, full: 'oldest' } as const;
  expect(await backend.claim({ ...claim, id }, signal)).toEqual([]);
  await ghost(`${makeRecord(environment).id} 1`);
  expect((await backend.list({ limit: 5 }, signal)).items).toHaveLength(1);
  expect(await backend.count({ state: 'open' }, signal)).toBe(1);
  const more: SessionRecord[] = Array.from({ length: 20 }, () => makeRecord(environment, { user: 'cleo' }));
  for (const each of more) expect(await backend.save(each, signal)).toBe(true);
  const ids = [id, ...more.map((each) => each.id)];
  expect(await backend.load(ids, signal)).toMatchObject(ids.map((each) => ({ id: each })));
  const how = { at: now, cause: 'logout', by: undefined, keepUntil: now - 1 } as const;
  expect([...(await backend.end(ids, how, signal))].sort()).toEqual([...ids].sort());
  expect(await backend.claim({ ...claim, id: makeRecord(environment).id }, signal)).toEqual([]);
  expect([...(await backend.sweep(now, 50, signal))].sort()).toEqual([...ids].sort());
  await expect.poll(() => heard.length).toBeGreaterThan(1);
  await stop();
}
