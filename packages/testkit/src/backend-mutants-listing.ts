import { type Head, headOf, type PageQuery, type Query, type SessionId } from '@sessionkit/session-core';
import { type BackendMutant, currentOf, type Full, mutant, SIGNAL, simple } from './backend-mutant-kit.js';

/** Lists and counts under another query than was asked. */
const asking = (name: string, change: (query: Query) => Query): BackendMutant =>
  simple(name, (sound) => ({
    list: ({ after, limit, ...query }, signal) => sound.list({ ...change(query), after, limit }, signal),
    count: (query, signal) => sound.count(change(query), signal),
  }));

const paging = (
  name: string,
  list: (sound: Full, query: PageQuery) => ReturnType<Full['list']>,
): BackendMutant => simple(name, (sound) => ({ list: (query) => list(sound, query) }));

async function everything(sound: Full, query: Query = {}): Promise<readonly Head[]> {
  return (await sound.list({ ...query, limit: 10_000 }, SIGNAL)).items;
}

/** Filters rows by code, in place of one condition. */
const matching = (
  name: string,
  condition: keyof Query,
  matches: (head: Head, query: Query, now: number) => boolean,
): BackendMutant =>
  simple(name, (sound, { clock }) => {
    const rows = async (query: Query) => {
      if (query[condition] === undefined) return everything(sound, query);
      const all = await everything(sound, { ...query, [condition]: undefined });
      return all.filter((head) => matches(head, query, clock?.now() ?? Date.now()));
    };
    return {
      async list({ after, limit, ...query }) {
        const items = (await rows(query)).filter(({ id }) => after === undefined || id > after);
        return { items: items.slice(0, limit), next: items[limit] && items[limit - 1]?.id };
      },
      count: async (query) => (await rows(query)).length,
    };
  });

const like = (text: string | undefined, pattern: string | undefined) =>
  text !== undefined &&
  new RegExp(`^${pattern?.replaceAll('_', '.').replaceAll('%', '.*')}$`, 'i').test(text);

export const listingMutants: readonly BackendMutant[] = [
  paging('rows come as they were saved last', async (sound, query) => {
    const page = await sound.list(query, SIGNAL);
    return { ...page, items: page.items.toReversed() };
  }),
  paging('the next page begins with the last row again', async (sound, query) => {
    const page = await sound.list(query, SIGNAL);
    return page.next === undefined ? page : { ...page, next: page.items.at(-2)?.id ?? page.next };
  }),
  paging('there is never a next page', async (sound, query) => ({
    items: (await sound.list(query, SIGNAL)).items,
    next: undefined,
  })),
  paging('a full page always has a next', async (sound, query) => {
    const { items } = await sound.list(query, SIGNAL);
    return { items, next: items.length === query.limit ? items.at(-1)?.id : undefined };
  }),
  paging('the limit is not looked at', (sound, query) => sound.list({ ...query, limit: 1_000 }, SIGNAL)),
  paging('a page begins with the id it was to begin after', async (sound, query) => {
    const { after } = query;
    const page = await sound.list(query, SIGNAL);
    const row = (await everything(sound)).find(({ id }) => id === after);
    return row === undefined ? page : { ...page, items: [row, ...page.items] };
  }),
  paging('a page after an id that is not stored begins at the beginning', async (sound, query) => {
    const known = (await everything(sound)).some(({ id }) => id === query.after);
    return sound.list(known ? query : { ...query, after: undefined }, SIGNAL);
  }),
  paging('a page is cut first and filtered afterwards', async (sound, { after, limit, ...query }) => {
    const page = await sound.list({ after, limit }, SIGNAL);
    const wanted = new Set((await everything(sound, query)).map(({ id }) => id));
    return { ...page, items: page.items.filter(({ id }) => wanted.has(id)) };
  }),
  paging('a list of nothing has a next', async (sound, query) => {
    const page = await sound.list(query, SIGNAL);
    return page.items.length > 0 ? page : { items: [], next: 's' as SessionId };
  }),
  asking('the service is not looked at', (query) => ({ ...query, service: undefined })),
  asking('the user is not looked at', (query) => ({ ...query, user: undefined })),
  asking('the state is not looked at', (query) => ({ ...query, state: undefined })),
  asking('the start is not looked at', (query) => ({ ...query, startedBefore: undefined })),
  asking('ended sessions are not listed', (query) => ({ ...query, state: query.state ?? 'open' })),
  matching('services are patterns', 'service', (head, { service }) => like(head.service, service)),
  matching('users are patterns', 'user', (head, { user }) => like(head.user, user)),
  matching('users are normalised', 'user', (head, { user }) => head.user?.normalize() === user?.normalize()),
  matching('what has run out counts as ended', 'state', (head, { state }, now) => {
    const over = head.ended !== undefined || head.seenAt + head.idle <= now;
    return over === (state === 'ended');
  }),
  matching('the time of the start is included', 'startedBefore', (head, { startedBefore }) => {
    return head.startedAt <= (startedBefore ?? 0);
  }),
  paging('rows are whole records', async (sound, query) => {
    const page = await sound.list(query, SIGNAL);
    const items = await Promise.all(
      page.items.map(async (head) => (await currentOf(sound, head.id)) ?? head),
    );
    return { ...page, items };
  }),
  paging('rows have the common members only', async (sound, query) => {
    const page = await sound.list(query, SIGNAL);
    const items = page.items.map((head) => ({
      ...head,
      filters: undefined,
      parameters: {},
      extra: undefined,
    }));
    return { ...page, items };
  }),
  mutant(
    'rows are as they were when the session began',
    () => new Map<SessionId, Head>(),
    (sound, firsts) => ({
      async save(record, signal) {
        const saved = await sound.save(record, signal);
        if (saved && record.version === 1) firsts.set(record.id, headOf(record));
        return saved;
      },
      async list(query, signal) {
        const page = await sound.list(query, signal);
        return { ...page, items: page.items.map((head) => firsts.get(head.id) ?? head) };
      },
    }),
  ),
  mutant(
    'a former user still finds the session',
    () => new Map<SessionId, string>(),
    (sound, former) => ({
      async save(record, signal) {
        const before = await currentOf(sound, record.id);
        const saved = await sound.save(record, signal);
        if (saved && before?.user !== undefined) former.set(record.id, before.user);
        return saved;
      },
      async list(query, signal) {
        const page = await sound.list(query, signal);
        if (query.user === undefined) return page;
        const others = (await everything(sound)).filter(({ id }) => former.get(id) === query.user);
        return { ...page, items: [...page.items, ...others] };
      },
    }),
  ),
  simple('a count is of everything', (sound) => ({ count: (_, signal) => sound.count({}, signal) })),
];
