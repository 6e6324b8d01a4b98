import type { Claim, Millis, SessionId } from '@sessionkit/session-core';
import { type BackendMutant, currentOf, mutant, pause, SIGNAL, simple } from './backend-mutant-kit.js';

const LAPSES: Millis = 60_000;

/** Passes a claim on otherwise than it was made. */
const claiming = (name: string, change: (claim: Claim) => Claim): BackendMutant =>
  simple(name, (sound) => ({ claim: (claim, signal) => sound.claim(change(claim), signal) }));

const keyOf = ({ service, user }: Claim) => JSON.stringify([service, user]);

/** Keeps claims of its own beside those of the sound backend: when each id first claimed, by service and user. */
const remembering = (
  name: string,
  answer: (
    claim: Claim,
    claims: Map<SessionId, Millis>,
    sound: () => Promise<readonly SessionId[]>,
  ) => Promise<readonly SessionId[]>,
): BackendMutant =>
  mutant(
    name,
    () => new Map<string, Map<SessionId, Millis>>(),
    (sound, users) => ({
      claim(claim) {
        const key = keyOf(claim);
        const claims = users.get(key) ?? new Map<SessionId, Millis>();
        users.set(key, claims);
        return answer(claim, claims, () => sound.claim(claim, SIGNAL));
      },
    }),
  );

const refused = (answer: readonly SessionId[], { id, full }: Claim) => full === 'refuse' && answer[0] === id;

export const slotsMutants: readonly BackendMutant[] = [
  simple('every claim is granted', () => ({ claim: async () => [] })),
  claiming('there is one place less', (claim) => ({ ...claim, max: claim.max - 1 })),
  claiming('nobody is refused: the oldest must end', (claim) => ({ ...claim, full: 'oldest' })),
  claiming('nobody must end: the claim is refused', (claim) => ({ ...claim, full: 'refuse' })),
  claiming('users are compared loosely', (claim) => ({ ...claim, user: claim.user.trim().toLowerCase() })),
  claiming('services are not told apart', (claim) => ({ ...claim, service: 'all' })),
  claiming('service and user are written one after the other', ({ service, user, ...claim }) => {
    return { ...claim, service: 'all', user: service + user };
  }),
  simple('places are looked for first and taken afterwards', (sound) => ({
    async claim(claim, signal) {
      const { items } = await sound.list({ ...pick(claim), state: 'open', limit: 1_000 }, signal);
      const others = items.filter(({ id, seenAt, idle }) => id !== claim.id && seenAt + idle > claim.at);
      await pause();
      const over = others.length + 1 - claim.max;
      if (over <= 0) return [];
      return claim.full === 'refuse' ? [claim.id] : others.slice(0, over).map(({ id }) => id);
    },
  })),
  remembering('only claims have places', async (claim, claims, sound) => {
    const answer = await sound();
    const others = [...claims.keys()].filter((id) => id !== claim.id);
    if (refused(answer, claim) && others.length >= claim.max) return answer;
    claims.set(claim.id, claim.at);
    return answer.filter((id) => others.includes(id));
  }),
  remembering('a refused claim takes a place', async (claim, claims, sound) => {
    const answer = await sound();
    if (refused(answer, claim)) claims.set(claim.id, claim.at);
    return claims.size >= claim.max ? [claim.id] : answer;
  }),
  remembering('places are never given back', async (claim, claims) => {
    if (claims.has(claim.id)) return [];
    if (claims.size >= claim.max) return [claim.id];
    claims.set(claim.id, claim.at);
    return [];
  }),
  remembering('who has a place is refused when he asks again', async (claim, claims, sound) => {
    if (claims.has(claim.id)) return [claim.id];
    const answer = await sound();
    if (!refused(answer, claim)) claims.set(claim.id, claim.at);
    return answer;
  }),
  remembering('asking again puts off the lapse', async (claim, claims, sound) => {
    const own = claims.has(claim.id);
    const others = [...claims].filter(([id, at]) => id !== claim.id && claim.at - at < LAPSES);
    if (!own && others.length >= claim.max) return [claim.id];
    const answer = await sound();
    if (!refused(answer, claim)) claims.set(claim.id, claim.at);
    return answer;
  }),
  simple('a claim on a stored session counts only once it is its user’s', (sound) => ({
    async claim(claim, signal) {
      const stored = await currentOf(sound, claim.id);
      return stored !== undefined && stored.user !== claim.user ? [] : sound.claim(claim, signal);
    },
  })),
  mutant(
    'a claim holds its place for a minute, whatever becomes of its session',
    () => [] as Claim[],
    (sound, claims) => ({
      async claim(claim, signal) {
        const held = claims.filter((each) => keyOf(each) === keyOf(claim) && claim.at - each.at < LAPSES);
        const mine = held.some(({ id }) => id === claim.id);
        if (!mine && held.length >= claim.max && claim.full === 'refuse') return [claim.id];
        const answer = await sound.claim(claim, signal);
        if (!mine && !refused(answer, claim)) claims.push(claim);
        return answer;
      },
    }),
  ),
  simple('the newest must end', (sound) => ({
    async claim(claim, signal) {
      const answer = await sound.claim(claim, signal);
      if (claim.full === 'refuse' || answer.length === 0) return answer;
      const { items } = await sound.list({ ...pick(claim), state: 'open', limit: 1_000 }, signal);
      return items.slice(-answer.length).map(({ id }) => id);
    },
  })),
  simple('one must end, however many are too many', (sound) => ({
    claim: async (claim, signal) => (await sound.claim(claim, signal)).slice(0, 1),
  })),
  simple('with oldest one must always end', (sound) => ({
    async claim(claim, signal) {
      const answer = await sound.claim(claim, signal);
      if (claim.full === 'refuse' || answer.length > 0) return answer;
      const { items } = await sound.list({ ...pick(claim), state: 'open', limit: 1 }, signal);
      return items.map(({ id }) => id);
    },
  })),
  simple('with oldest no place is taken', (sound) => ({
    async claim(claim, signal) {
      if (claim.full === 'refuse') return sound.claim(claim, signal);
      const { items } = await sound.list({ ...pick(claim), state: 'open', limit: 1_000 }, signal);
      return items.slice(0, Math.max(0, items.length + 1 - claim.max)).map(({ id }) => id);
    },
  })),
  remembering('claims lapse after 30 s', async (claim, claims, sound) => {
    if ([...claims.values()].some((at) => claim.at - at >= LAPSES / 2)) return [];
    claims.set(claim.id, claim.at);
    return sound();
  }),
];

function pick({ service, user }: Claim) {
  return { service, user };
}
