import type { MysqlPool } from '@sessionkit/backend-mysql';
import { createPool, type PoolConnection } from 'mysql2';

type Step = <T>(take: () => Promise<T>) => Promise<T>;
type Answered = (error: Error | null, rows: unknown, fields?: unknown) => void;
type Asking = (query: { readonly sql: string }, ...rest: unknown[]) => void;

/** What a statement answers whose turn comes later. */
const DONE = { affectedRows: 1 };

/** A pool whose every statement is a step. `reversed`: links of a process that are new stand behind those that go, which breaks the adapter on purpose. */
export function stepped(uri: string, step: Step, reversed: boolean): MysqlPool {
  const pool = createPool({ uri, connectionLimit: 1 });
  let deferred: (() => Promise<void>) | undefined;
  const asking = (connection: PoolConnection, name: 'execute' | 'query'): Asking => {
    const ask = connection[name].bind(connection) as Asking;
    return (query, ...rest) => {
      const answered = rest.pop() as Answered;
      const take = () =>
        step(
          () =>
            new Promise<Parameters<Answered>>((resolve) =>
              ask(query, ...rest, (...told: Parameters<Answered>) => resolve(told)),
            ),
        );
      const isNew = reversed && query.sql.startsWith('insert') && query.sql.includes('_presence');
      if (isNew) {
        deferred = async () => {
          await take();
        };
        answered(null, DONE);
        return;
      }
      void take().then(async (told) => {
        const behind = deferred;
        deferred = undefined;
        await behind?.();
        answered(...told);
      });
    };
  };
  return {
    getConnection(got) {
      pool.getConnection((error, connection) => {
        if (error) return got(error, connection);
        const execute = asking(connection, 'execute');
        const query = asking(connection, 'query');
        got(
          null,
          new Proxy(connection, {
            get(target, name) {
              if (name === 'execute') return execute;
              if (name === 'query') return query;
              const member: unknown = Reflect.get(target, name);
              return typeof member === 'function' ? member.bind(target) : member;
            },
          }),
        );
      });
    },
  };
}
