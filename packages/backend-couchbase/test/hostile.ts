import type { Backend, SessionId } from '@sessionkit/session-core';
import type { Damage, HostileHarness } from '@sessionkit/testkit';
import type { Collection } from 'couchbase';
import { Keys } from '../src/options.js';
import { lookingPast, newPrefix } from './store.js';

type Json = Record<string, unknown>;

/** Two backends under a prefix of their own, and what can be wrong with a document, where that is asked for. */
export function hostileHarness(
  open: (prefix: string) => Backend | Promise<Backend>,
  documents: Collection,
  {
    damaged,
    each,
  }: { readonly damaged: boolean /** Every how many of the damages is tried. */; readonly each: number },
): HostileHarness {
  return {
    async open() {
      const prefix = newPrefix();
      const keys = new Keys(prefix);
      const [a, b] = [await open(prefix), await open(prefix)];

      const whole = (name: string, change: (document: Json) => unknown, readable = false): Damage => ({
        name,
        readable,
        async apply(id: SessionId) {
          const { content } = await documents.get(keys.session(id));
          await documents.replace(keys.session(id), change(content as Json), { preserveExpiry: true });
        },
      });
      const member = (name: string, value: unknown, readable = false) =>
        whole(
          `session.${name} = ${JSON.stringify(value)}`.slice(0, 60),
          (document) => ({ ...document, session: { ...(document.session as Json), [name]: value } }),
          readable,
        );
      const without = (name: string) => member(name, undefined);
      const needed = [
        ...['format', 'version', 'writes', 'service', 'epoch', 'secretHash', 'secretAt', 'startedAt'],
        ...['seenAt', 'idle', 'endsAt', 'client', 'parameters', 'dataVersion'],
      ];
      const damages: Damage[] = [
        ...[5, 'x', [], null, {}].map((value) => whole(`document ${JSON.stringify(value)}`, () => value)),
        ...[5, 'x', [], null].map((session) =>
          whole(`session ${JSON.stringify(session)}`, (document) => ({ ...document, session })),
        ),
        whole('no JSON', () => Buffer.from('{"session":')),
        whole('no data', ({ data: _, ...rest }) => rest),
        whole('data 5', (document) => ({ ...document, data: 5 })),
        whole('due "x"', (document) => ({ ...document, due: 'x' }), true),
        ...needed.map(without),
        ...needed.map((name) => member(name, { x: 1 })).filter(({ name }) => !name.includes('parameters')),
        member('version', 0),
        member('version', 1.5),
        member('writes', [1]),
        ...[
          5,
          [],
          'x',
          { at: 'x', cause: 'logout' },
          { at: 1, cause: 7 },
          { at: 1, cause: 'logout', by: 7 },
        ].map((ended) => member('ended', ended)),
        ...[5, [], { hash: 1, kind: 'rotated' }, { hash: 'x', kind: 'other' }].map((prior) =>
          member('prior', prior),
        ),
        ...['killAt', 'authenticatedAt', 'restartedAt'].map((name) => member(name, 'x')),
        ...[5, 'x', [1], {}].map((filters) => member('filters', filters)),
        ...[5, 'x', [1]].map((parameters) => member('parameters', parameters)),
        ...[5, 'x', [1]].map((extra) => member('extra', extra)),
        member('client', { ip: '', port: 'x', cipher: '', userAgent: '', attributes: {} }),
        member('client', { ip: '', port: 1, cipher: '', userAgent: '', attributes: null }),
        member('a member of a newer version', { a: [1] }, true),
        member('format', 9, true),
        whole('a member of a newer version', (document) => ({ ...document, newer: [1] }), true),
        {
          name: 'a last use that is none',
          readable: true,
          async apply(id) {
            await documents.replace(keys.seen(id), 'x', { expiry: 600 });
          },
        },
        {
          name: 'no last use',
          readable: true,
          async apply(id) {
            await documents.remove(keys.seen(id));
          },
        },
      ];
      return {
        a,
        b,
        ...(damaged ? { damages: damages.filter((_, at) => at % each === 0) } : {}),
        ...lookingPast(documents, prefix),
        close: async () => {
          await Promise.all([a.close(), b.close()]);
        },
      };
    },
  };
}
