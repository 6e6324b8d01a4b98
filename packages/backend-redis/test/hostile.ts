import type { Backend, SessionId } from '@sessionkit/session-core';
import type { Damage, HostileHarness } from '@sessionkit/testkit';
import { DEFAULT_NAMES, type MemberNames } from '../src/options.js';

/** Names that mean something elsewhere. */
export const ODD_NAMES = {
  sid: 'session "id"',
  user: "o'clock user",
  service: 'service\\',
  ip: 'ip %s $1 :x',
  start: 'start\nof it',
  stop: ']] stop --',
  data: 'data 東京',
  seen: 'seen;',
  epoch: '__proto__',
  kill: 'kill ',
  ended: '0',
  head: '*',
};

/** Where hostile values are tried. */
export interface Place {
  /** A backend from a configuration with these options in its section. */
  open(options: object): Promise<Backend>;
  /** One command to the server that has the key; the raw reply. */
  ask(key: string, ...command: string[]): Promise<string>;
}

let stores = 0;

/** Two backends from configurations on keys of their own, and what can be wrong with a hash. */
export function hostileHarness(
  { open, ask }: Place,
  names: MemberNames = DEFAULT_NAMES,
  start = 'hostile',
): HostileHarness {
  return {
    async open() {
      const prefix = `${start}-${process.pid}-${stores++}:`;
      const { sid, ...fields } = names;
      const section = { key_prefix: prefix, sid_field: sid, fields };
      const [a, b] = [await open(section), await open(section)];
      const key = (id: SessionId) => `${prefix}{${id}}`;
      return {
        a,
        b,
        damages: damagesOf(key, ask, names),
        async peek(id) {
          const raw = await ask(key(id), 'HGETALL', key(id));
          return raw.startsWith('*0') ? undefined : raw;
        },
        close: async () => {
          await Promise.all([a.close(), b.close()]);
        },
      };
    },
  };
}

function damagesOf(key: (id: SessionId) => string, ask: Place['ask'], names: MemberNames): Damage[] {
  const set = (member: keyof MemberNames, value: string): Damage => ({
    name: `${member} = ${value.slice(0, 20)}`,
    apply: async (id) => void (await ask(key(id), 'HSET', key(id), names[member], value)),
  });
  const without = (member: keyof MemberNames): Damage => ({
    name: `without ${member}`,
    apply: async (id) => void (await ask(key(id), 'HDEL', key(id), names[member])),
  });
  const instead = (...[command = '', ...args]: string[]): Damage => ({
    name: `${command} in its place`,
    async apply(id) {
      await ask(key(id), 'DEL', key(id));
      await ask(key(id), command, key(id), ...args);
    },
  });
  const head = (what: string, change: (places: unknown[]) => void, readable = false): Damage => ({
    name: `a head with ${what}`,
    readable,
    async apply(id) {
      const raw = await ask(key(id), 'HGET', key(id), names.head);
      const places = JSON.parse(raw.slice(raw.indexOf('\r\n') + 2)) as unknown[];
      change(places);
      await ask(key(id), 'HSET', key(id), names.head, JSON.stringify(places));
    },
  });
  const place = (at: number, value: unknown) =>
    head(`${JSON.stringify(value)} in place ${at}`, (places) => {
      places[at] = value;
    });
  return [
    ...['', '[1,2', '{"a":1}', 'null', '5', '"x"', '[]', '[1,1,["w"],"shop",null]', '['.repeat(5_000)].map(
      (text) => set('head', text),
    ),
    ...[null, '1', -1, 0.5].map((version) => place(1, version)),
    ...[null, 'w', [1], [null]].map((writes) => place(2, writes)),
    place(3, null),
    place(3, 7),
    place(4, 7),
    place(4, ['ann']),
    place(5, '0'),
    place(6, null),
    place(7, null),
    ...[5, 'x', [], [1, 'rotated', null], ['x', 'rotated', 'soon']].map((prior) => place(8, prior)),
    place(9, '1'),
    place(10, 'x'),
    place(11, null),
    place(12, 'x'),
    ...[null, [], ['ip'], [1, 2, 3, 4, 5], ['ip', 1, '', 'agent', null]].map((client) => place(13, client)),
    ...['', '{', '5', '[]'].map((parameters) => place(14, parameters)),
    ...['{"a":1}', '[1]', 'x'].map((filters) => place(15, filters)),
    place(16, 'x'),
    place(17, null),
    ...['x', '5', '[]'].map((extra) => place(18, extra)),
    head(
      'a place more and a later format',
      (places) => {
        places[0] = 9;
        places.push({ new: 1 });
      },
      true,
    ),
    ...['soon', '', 'Infinity', '-1e999', '{}'].map((seen) => set('seen', seen)),
    ...['never', ''].map((kill) => set('kill', kill)),
    ...['x', '', '5', '[]', '{}', '["a","b"]', '[1,2]', '[1,"logout",7]', 'null'].map((ended) =>
      set('ended', ended),
    ),
    ...(['head', 'seen', 'data'] as const).map(without),
    instead('SET', 'a text'),
    instead('LPUSH', 'a list'),
    instead('SADD', 'a set'),
    instead('ZADD', '1', 'a sorted set'),
    {
      name: 'a member of somebody else',
      readable: true,
      apply: async (id) => void (await ask(key(id), 'HSET', key(id), 'theirs, not ours', '[1,2')),
    },
  ];
}
