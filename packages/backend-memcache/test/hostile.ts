import type { Backend, SessionId } from '@sessionkit/session-core';
import type { MemcachedServer } from '@sessionkit/test-stores/memcached';
import type { Damage, HostileHarness } from '@sessionkit/testkit';
import { DEFAULT_NAMES, type MemberNames } from '../src/options.js';
import { beside } from './harness.js';

/** Names that mean something elsewhere. */
export const ODD_NAMES = {
  sid: 'session "id"',
  user: "o'clock user",
  service: 'service\\',
  ip: 'ip %s $1 :x',
  start: 'start\nof it',
  stop: ']] stop --',
  ended: '__proto__',
  head: '0',
};

/** Where hostile values are tried. */
export interface Place {
  /** A backend from a configuration with these options in its section. */
  open(options: object): Promise<Backend>;
  readonly server: MemcachedServer;
}

/** Under which names and keys, and every how many of the damages. */
interface Variation {
  readonly names?: MemberNames;
  readonly start?: string;
  readonly each?: number;
}

let stores = 0;

/** Two backends from configurations on keys of their own, and what can be wrong with a value. */
export function hostileHarness(
  { open, server }: Place,
  { names = DEFAULT_NAMES, start = 'hostile', each = 1 }: Variation = {},
): HostileHarness {
  return {
    async open() {
      // A dump goes through all keys: those of the cases before are of no use any more.
      await server.server?.kill();
      await server.server?.start();
      const prefix = `${start}-${process.pid}-${stores++}:`;
      const { sid, ...fields } = names;
      const section = { key_prefix: prefix, sid_field: sid, fields };
      const [a, b] = [await open(section), await open(section)];
      return {
        a,
        b,
        ...beside([server], prefix),
        damages: damagesOf(prefix, server, names).filter((_, at) => at % each === 0),
        close: async () => {
          await Promise.all([a.close(), b.close()]);
        },
      };
    },
  };
}

type Line = Record<string, unknown>;

function damagesOf(prefix: string, server: MemcachedServer, names: MemberNames): Damage[] {
  const put = async (key: string, value: string, flags = 0) => {
    const said = await server.ask(`set ${key} ${flags} 0 ${Buffer.byteLength(value)}`, value);
    if (said !== 'STORED\r\n') throw new Error(`memcached says ${said}`);
  };
  const stored = async (id: SessionId) => {
    const raw = await server.ask(`get ${prefix}${id}`);
    return raw.slice(raw.indexOf('\r\n') + 2, -'\r\nEND\r\n'.length);
  };
  const instead = (value: string, flags = 0): Damage => ({
    name: `${JSON.stringify(value.slice(0, 20))} with flags ${flags} in its place`,
    apply: (id) => put(prefix + id, value, flags),
  });
  const line = (name: string, change: (line: Line) => void, readable = false): Damage => ({
    name,
    readable,
    async apply(id) {
      const value = await stored(id);
      const end = value.indexOf('\n');
      const parsed = JSON.parse(value.slice(0, end)) as Line;
      change(parsed);
      await put(prefix + id, JSON.stringify(parsed) + value.slice(end));
    },
  });
  const member = (name: keyof MemberNames, value: unknown) =>
    line(`${name} = ${JSON.stringify(value)}`, (found) => {
      Object.defineProperty(found, names[name], { value, enumerable: true });
    });
  const without = (name: keyof MemberNames) =>
    line(`without ${name}`, (found) => void Reflect.deleteProperty(found, names[name]));
  const head = (name: string, change: (places: unknown[]) => void, readable = false) =>
    line(`a head with ${name}`, (found) => change(found[names.head] as unknown[]), readable);
  const place = (at: number, value: unknown) =>
    head(`${JSON.stringify(value)} in place ${at}`, (places) => {
      places[at] = value;
    });
  const seen = (value: string, flags = 0): Damage => ({
    name: `a last use of ${JSON.stringify(value)} with flags ${flags}`,
    readable: true,
    apply: (id) => put(`${prefix}${id}:seen`, value, flags),
  });
  return [
    ...['', '{', '[1,2', '{}\n{}', 'null\n{}', '5\n{}', '[]\n{}', '"x"\n{}', `${'['.repeat(5_000)}\n{}`].map(
      (value) => instead(value),
    ),
    // What another program of memcache-client has stored: a number, JSON, half of it, and what is compressed.
    instead('5', 1),
    instead('{"a":1}', 3),
    instead('{"a":', 3),
    instead('compressed', 8),
    ...[null, 's', 5].map((value) => member('sid', value)),
    ...[7, ['ann'], {}].map((value) => member('user', value)),
    ...[null, 7].map((value) => member('service', value)),
    ...[null, 7].map((value) => member('ip', value)),
    ...[null, '1'].map((value) => member('start', value)),
    ...[null, 'x', [], {}, ['a', 'b', null], [1, 2, null], [1, 'logout', 7]].map((value) =>
      member('ended', value),
    ),
    ...[null, 'x', {}, [1, 1, ['w']]].map((value) => member('head', value)),
    ...(['sid', 'service', 'ip', 'start', 'head'] as const).map(without),
    ...[null, '1', -1, 0.5].map((version) => place(1, version)),
    ...[null, 'w', [1], [null]].map((writes) => place(2, writes)),
    place(0, 'x'),
    place(3, '0'),
    place(4, null),
    place(5, null),
    ...[5, 'x', [], [1, 'rotated', null], ['x', 'rotated', 'soon']].map((prior) => place(6, prior)),
    place(7, 'x'),
    ...[8, 9, 10, 16].map((at) => place(at, null)),
    ...[8, 9, 10].map((at) => place(at, 'soon')),
    place(11, 'never'),
    ...[null, [], ['ip'], [1, 2, 3, 4], [1, '', 'agent', null], [1, '', 'agent', []]].map((client) =>
      place(12, client),
    ),
    ...['', 5, []].map((parameters) => place(13, parameters)),
    ...[{ a: 1 }, [1], 'x'].map((filters) => place(14, filters)),
    place(15, 'x'),
    ...['x', 5, []].map((extra) => place(17, extra)),
    head(
      'a place more and a later format',
      (places) => {
        places[0] = 9;
        places.push({ new: 1 });
      },
      true,
    ),
    line('a member of somebody else', (found) => Object.assign(found, { 'theirs, not ours': [1] }), true),
    ...['', 'soon', '-1', '1e99', '9'.repeat(40)].map((value) => seen(value)),
    seen('{', 3),
    {
      name: 'without a last use',
      readable: true,
      apply: async (id) => void (await server.ask(`delete ${prefix}${id}:seen`)),
    },
  ];
}
