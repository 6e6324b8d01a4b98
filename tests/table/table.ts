import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StoreFacts } from '@sessionkit/testkit';

export const repository = join(import.meta.dirname, '..', '..');
const BEGIN = '<!-- table of stores: made by `npm run stores-table` -->';
const END = '<!-- end of the table of stores -->';
const MIB = 1_048_576;

/** What each backend was found to be: its own test keeps the file true. */
export function factsOfAll(): readonly StoreFacts[] {
  const packages = join(repository, 'packages');
  return readdirSync(packages)
    .filter((name) => name.startsWith('backend-') && existsSync(join(packages, name, 'package.json')))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(packages, name, 'test', 'facts.json'), 'utf8')));
}

const yes = (is: boolean) => (is ? 'yes' : 'no');
const trips = (count: number | null) => (count === null ? '–' : `${count}`);

/** The rows, each with what it says of one store. */
const rows: Readonly<Record<string, (facts: StoreFacts) => string>> = {
  'survives a restart of the store': ({ traits, durableByOption }) =>
    traits.durable || !durableByOption ? yes(traits.durable) : 'with `durable: true`',
  'shared by processes': ({ traits }) => yes(traits.shared),
  'lists of sessions': ({ traits, abilities }) => {
    if (!abilities.inspect) return 'no';
    return traits.approximate ? 'approximate' : 'exact';
  },
  'a page of a list reads': ({ pageGrows }) => {
    if (pageGrows === null) return '–';
    return pageGrows ? 'more, the more there is' : 'the page';
  },
  'removes what is dead': ({ abilities }) => (abilities.sweep ? 'sweep' : 'by itself'),
  'tells of changes': ({ abilities }) => (abilities.watch ? 'at once' : 'within 6 s'),
  'places per user (`max_per_user`)': ({ abilities }) => yes(abilities.slots),
  'log and requests of a session': ({ abilities }) => yes(abilities.journal),
  'connections of all processes': ({ abilities }) => yes(abilities.presence),
  fences: ({ abilities }) => yes(abilities.fences),
  'a write that was given up': ({ traits }) => (traits.lateWrites ? 'may still arrive' : 'is refused'),
  'age of what is read': ({ traits }) => (traits.staleness === 0 ? 'none' : `${traits.staleness} ms`),
  'largest record': ({ traits }) => sized(traits.maxRecordBytes),
  'round trips: load': ({ roundTrips }) => trips(roundTrips.load),
  'round trips: first save': ({ roundTrips }) => trips(roundTrips.create),
  'round trips: save': ({ roundTrips }) => trips(roundTrips.save),
  'round trips: touch of 500': ({ roundTrips }) => trips(roundTrips.touch),
  'round trips: end': ({ roundTrips }) => trips(roundTrips.end),
  'round trips: page of 20': ({ roundTrips }) => trips(roundTrips.list),
  'proved on': ({ provedOn }) => provedOn,
};

function sized(bytes: number | null): string {
  if (bytes === null) return 'no limit of its own';
  return `${Number((bytes / MIB).toFixed(2))} MiB`;
}

/** The table, as Markdown. */
function tableOf(stores: readonly StoreFacts[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const head = ['', ...stores.map(({ type }) => `[${type}](packages/backend-${type}/README.md)`)];
  const body = Object.entries(rows).map(([name, tell]) => [name, ...stores.map(tell)]);
  return [line(head), `|${'---|'.repeat(head.length)}`, ...body.map(line)].join('\n');
}

/** `text` with the table of these stores in its place. */
export function withTable(text: string, stores: readonly StoreFacts[]): string {
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`the README has no place for the table: ${BEGIN} … ${END}`);
  return `${text.slice(0, from)}${BEGIN}\n${tableOf(stores)}\n${text.slice(to)}`;
}
