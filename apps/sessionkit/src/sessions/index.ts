import { print } from '../print.js';
import { AdminClient, ApiError, type SessionResource } from './client.js';
import type { AlterOptions, EndOptions, ListOptions, ShowOptions, TargetOptions } from './options.js';
import { out, readerGone } from './out.js';
import { findTarget } from './target.js';
import { instant, leaves, plain, span, Table } from './text.js';

/** Requests under way at a time when several ids are named. */
const AT_A_TIME = 8;
const HEADINGS = ['ID', 'USER', 'SERVICE', 'REMOTE', 'CONNECTED', 'IDLE', 'STATE'];
const TABLE_FIELDS = 'connected,idle,remote,services,state,user';

/** `sessionkit sessions list`. Answers the exit code, as its neighbours do. */
export async function list(options: ListOptions): Promise<number> {
  return withClient(options, async (client) => {
    const query = {
      ...(options.user !== undefined && { 'filter[attributes.user]': equal(options.user) }),
      ...(options.service !== undefined && {
        'filter[relationships.services.data[*].id]': equal(options.service),
      }),
      ...(options.filter !== undefined && { filter: options.filter }),
      ...(options.rdns && { rdns: 'true' }),
      ...(options.json ? {} : { 'fields[sessions]': TABLE_FIELDS }),
    };
    const table = new Table(HEADINGS);
    let count = 0;
    for await (const rows of client.pages(query)) {
      if (options.json) await out(jsonItems(rows, count));
      else if (rows.length > 0) await out(table.add(rows.map(cells)));
      count += rows.length;
      if (readerGone()) return 0;
    }
    if (options.json) await out(count === 0 ? '[]\n' : '\n]\n');
    else if (count === 0) print('no sessions');
    return 0;
  });
}

/** `sessionkit sessions show`. */
export async function show(ids: readonly string[], options: ShowOptions): Promise<number> {
  return withClient(options, async (client) => {
    const query: Record<string, string> = options.rdns ? { rdns: 'true' } : {};
    let shown = 0;
    const failed = await each(
      ids,
      (id) => client.show(id, query),
      async (_id, session) => {
        if (session instanceof ApiError) return;
        await out(options.json ? jsonItems([session], shown) : `${shown === 0 ? '' : '\n'}${sheet(session)}`);
        shown++;
      },
    );
    if (options.json) await out(shown === 0 ? '[]\n' : '\n]\n');
    return failed === 0 ? 0 : 1;
  });
}

/** `sessionkit sessions end`. */
export async function end(ids: readonly string[], options: EndOptions): Promise<number> {
  const { ttl } = options;
  const what = ttl === undefined || ttl === 0 ? 'ended' : `ends within ${ttl} s:`;
  return change(ids, options, what, (client, id) => client.end(id, ttl));
}

/** `sessionkit sessions alter`. */
export async function alter(ids: readonly string[], options: AlterOptions): Promise<number> {
  const { set, filters } = options;
  const data = {
    type: 'sessions',
    ...(set && { attributes: { parameters: set } }),
    ...(filters && { relationships: { filters: { data: filters.map((id) => ({ id, type: 'filters' })) } } }),
  };
  return change(ids, options, 'altered', (client, id) => client.alter(id, data));
}

/** `sessionkit reload`: what is different goes to stdout, all that is wrong to stderr. */
export async function reload(options: TargetOptions): Promise<number> {
  return withClient(options, async (client) => {
    try {
      const changes = await client.reload();
      if (options.json) await out(`${JSON.stringify(changes)}\n`);
      else await out(changes.length === 0 ? 'nothing is different\n' : `${changes.map(plain).join('\n')}\n`);
      return 0;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 400) throw error;
      print('The configuration was not taken, and nothing has changed:');
      for (const detail of error.details) print(`  ${plain(detail)}`);
      return 1;
    }
  });
}

/** The same for each of several sessions. One that fails is told, and the others happen all the same. */
async function change(
  ids: readonly string[],
  options: TargetOptions,
  what: string,
  task: (client: AdminClient, id: string) => Promise<void>,
): Promise<number> {
  return withClient(options, async (client) => {
    let told = 0;
    const failed = await each(
      ids,
      (id) => task(client, id),
      async (id, result) => {
        if (options.json) {
          const error = result instanceof ApiError ? { error: result.message, status: result.status } : {};
          await out(jsonItems([{ id, ok: !(result instanceof ApiError), ...error }], told++));
        } else if (!(result instanceof ApiError)) await out(`${what} ${plain(id)}\n`);
      },
    );
    if (options.json) await out('\n]\n');
    return failed === 0 ? 0 : 1;
  });
}

/** Does `task` for all ids, a few at a time, tells the results in the order of the ids, and answers how many failed. */
async function each<T>(
  ids: readonly string[],
  task: (id: string) => Promise<T>,
  tell: (id: string, result: T | ApiError) => Promise<void>,
): Promise<number> {
  const distinct = [...new Set(ids)];
  const results: Promise<T | ApiError>[] = [];
  let failed = 0;
  for (const [i, id] of distinct.entries()) {
    while (results.length < Math.min(distinct.length, i + AT_A_TIME)) {
      const next = distinct[results.length] ?? id;
      results.push(task(next).catch(apiError));
    }
    const result = await (results[i] as Promise<T | ApiError>);
    if (result instanceof ApiError) {
      failed++;
      print(`error: ${aboutId(plain(id), plain(result.message))}`);
    }
    await tell(id, result);
  }
  return failed;
}

/** What the API says of the parameter `id` is said of the id itself, which it does not quote. */
function aboutId(id: string, message: string): string {
  return message.startsWith('id: ') ? `${id} ${message.slice('id: '.length)}` : `${id}: ${message}`;
}

function apiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  throw error;
}

async function withClient(
  options: TargetOptions,
  task: (client: AdminClient) => Promise<number>,
): Promise<number> {
  const target = await findTarget(options);
  if (target === undefined) return 1;
  const client = new AdminClient(target);
  try {
    return await task(client);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    print(`error: ${plain(error.message)}`);
    return 1;
  } finally {
    client.close();
  }
}

/** Items of a JSON array in the order in which they come, its bracket before the first one. */
function jsonItems(items: readonly unknown[], before: number): string {
  return items.map((item, i) => `${before + i === 0 ? '[\n' : ',\n'}${JSON.stringify(item)}`).join('');
}

const equal = (text: string) => `eq(${JSON.stringify(text)})`;

function cells({ id, attributes, relationships }: SessionResource): readonly string[] {
  const { user, remote, connected, idle, state } = attributes;
  return [
    plain(id),
    plain(user ?? '-'),
    servicesOf(relationships).map(plain).join(','),
    plain(remote ?? '-'),
    instant(connected),
    span(idle),
    plain(state ?? '-'),
  ];
}

/** All that is known of a session, one value a line. */
function sheet({ id, attributes, relationships }: SessionResource): string {
  const lines = [
    ['id', id] as const,
    ...Object.entries(relationships).map(([name, related]) => [name, idsOf(related).join(',')] as const),
    ...leaves(attributes, ''),
  ].map(([name, value]) => [plain(name), plain(value)] as const);
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
}

const servicesOf = (relationships: SessionResource['relationships']) => idsOf(relationships.services);

function idsOf(related: unknown): readonly string[] {
  const { data } = (related ?? {}) as { readonly data?: unknown };
  return Array.isArray(data) ? data.map((one: { readonly id?: unknown }) => String(one?.id)) : [];
}
