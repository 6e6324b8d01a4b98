import type { ManagerQuery, SessionId } from '@sessionkit/session-core';
import { sessionsDocument } from '../src/schemas-sessions.js';
import { type Fixture, fixture } from './fixture.js';

type Sessions = ReturnType<typeof sessionsDocument.parse>;

export const BASE = 'http://localhost:8989/v1/sessions/';

/** Sessions of users u0, u1, u2, u0, …, in the order of their ids, and what the manager is asked for. */
export async function many(count: number) {
  const f = await fixture();
  const ids: SessionId[] = [];
  for (let i = 0; i < count; i++) {
    ids.push((await f.start({ user: `u${i % 3}` })).id);
    await f.environment.advance(1);
  }
  ids.sort();
  const asked: (ManagerQuery & { readonly verb: string })[] = [];
  spy(f, asked);
  const get = async (query: string) => {
    asked.length = 0;
    const response = await f.ask('GET', `/v1/sessions?${query}`);
    const answer: unknown = await response.json();
    // With fields the rows are not whole.
    const document = query.includes('fields[') ? (answer as Sessions) : sessionsDocument.parse(answer);
    return { ...document, ids: document.data.map(({ id }) => id), total: document.meta.total };
  };
  return { ...f, all: ids, asked, get };
}

function spy({ manager }: Fixture, asked: (ManagerQuery & { readonly verb: string })[]): void {
  const [list, count, get] = [manager.list, manager.count, manager.get].map((verb) => verb.bind(manager)) as [
    typeof manager.list,
    typeof manager.count,
    typeof manager.get,
  ];
  manager.list = (query = {}) => {
    asked.push({ verb: 'list', ...query });
    return list(query);
  };
  manager.count = (query = {}) => {
    asked.push({ verb: 'count', ...query });
    return count(query);
  };
  manager.get = (id) => {
    asked.push({ verb: 'get', after: id });
    return get(id);
  };
}

/** Whole numbers below a bound, always the same ones for a seed. */
export function draws(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

export const encoded = (parameters: Record<string, string | number>) =>
  `${BASE}?${Object.entries(parameters)
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join('&')}`;
