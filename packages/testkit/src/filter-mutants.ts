import type { Environment, Exchange, Filter, FilterSession, FilterTarget } from '@sessionkit/session-core';
import { answerMutants } from './filter-mutants-answers.js';

/** A filter that is broken on purpose in one way. */
export interface FilterMutant {
  readonly name: string;
  breaks(sound: Filter, environment: Environment): Filter;
}

/** What is done in place of handling a request. `pass` lets the sound filter do it. */
export type Misdeed = (
  exchange: Exchange,
  pass: () => Promise<void>,
  next: () => Promise<void>,
) => Promise<void> | void;

/** Mishandles requests. `begin` is called for each session that is opened. */
export function mishandling(
  name: string,
  begin: (target: FilterTarget, environment: Environment) => Misdeed,
): FilterMutant {
  return {
    name,
    breaks: (sound, environment) => ({
      ...sound,
      async open(target) {
        const session = await sound.open(target);
        const misdeed = begin(target, environment);
        return {
          handle: async (exchange, next) => misdeed(exchange, () => session.handle(exchange, next), next),
          close: () => session.close(),
        };
      },
    }),
  };
}

/** Keeps something for all sessions together. */
function sharing<State>(
  name: string,
  make: () => State,
  misdeed: (state: State, target: FilterTarget, ...given: Parameters<Misdeed>) => Promise<void> | void,
): FilterMutant {
  return {
    name,
    breaks(sound, environment) {
      const state = make();
      const mutant = mishandling(
        name,
        (target) =>
          (...given) =>
            misdeed(state, target, ...given),
      );
      return mutant.breaks(sound, environment);
    },
  };
}

const telling = (name: string, told: () => unknown): FilterMutant => ({
  name,
  breaks: (sound) => ({ ...sound, diagnostics: told as NonNullable<Filter['diagnostics']> }),
});

function closing(
  name: string,
  close: (session: FilterSession, environment: Environment) => void | Promise<void>,
): FilterMutant {
  return {
    name,
    breaks: (sound, environment) => ({
      ...sound,
      async open(target) {
        const session = await sound.open(target);
        return {
          handle: (exchange, next) => session.handle(exchange, next),
          close: () => close(session, environment),
        };
      },
    }),
  };
}

const wrongPassers: readonly FilterMutant[] = [
  mishandling('passes a request on twice', () => async (_exchange, _pass, next) => {
    await Promise.all([next(), next()]);
  }),
  mishandling('answers each third request and passes it on', () => {
    let count = 0;
    return ({ response }, pass, next) => {
      count += 1;
      if (count % 3 !== 0) return pass();
      response.end('mine');
      return next();
    };
  }),
  mishandling('forgets each tenth request', () => {
    let count = 0;
    return (_exchange, pass) => {
      count += 1;
      return count % 10 === 0 ? undefined : pass();
    };
  }),
  mishandling('answers nearly everything itself', () => {
    let count = 0;
    return ({ response }, pass) => {
      count += 1;
      if (count < 5) return pass();
      response.writeHead(429).end();
      return undefined;
    };
  }),
  mishandling('does not wait for the answer', () => (_exchange, pass) => {
    pass().catch(() => undefined);
  }),
  mishandling(
    'swallows a fault',
    () =>
      ({ response }, pass) =>
        pass().catch(() => {
          if (!response.headersSent) response.writeHead(500).end();
        }),
  ),
  mishandling(
    'puts a fault into another one',
    () => (_exchange, pass) =>
      pass().catch((cause: unknown) => {
        throw new Error('the filter failed', { cause });
      }),
  ),
  mishandling('passes on the request that came last', () => {
    let last: (() => Promise<void>) | undefined;
    return async ({ response }, pass) => {
      response.setMaxListeners(0);
      last = pass;
      await new Promise((resolve) => setTimeout(resolve, 5));
      await last();
    };
  }),
  mishandling(
    'waits for the end of each answer, which a client that is gone does not get',
    () => async (exchange, pass) => {
      const finished = new Promise((resolve) => exchange.response.once('finish', resolve));
      await pass();
      await finished;
    },
  ),
  mishandling('counts a request that is cut as under way for ever', () => {
    let running = 0;
    return async ({ response }, pass) => {
      if (running >= 20) {
        response.writeHead(429).end();
        return;
      }
      running += 1;
      await pass();
      if (response.writableFinished) running -= 1;
    };
  }),
  mishandling('collects an upload before it passes it on', () => async ({ request }, pass) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer);
    Object.assign(request, {
      async *[Symbol.asyncIterator]() {
        yield* chunks;
      },
    });
    await pass();
  }),
  mishandling('tidies the path', () => ({ request }, pass) => {
    request.url = new URL(request.url ?? '', 'http://x').pathname;
    return pass();
  }),
  mishandling('takes a field out of the request', () => ({ request }, pass) => {
    const at = request.rawHeaders.findIndex((name) => name.toLowerCase() === 'cookie');
    if (at >= 0) request.rawHeaders.splice(at, 2);
    return pass();
  }),
];

const forgetful: readonly FilterMutant[] = [
  // The case that it is for takes longest, and is run no more than needed once a mutant has failed it.
  sharing(
    'keeps all answers',
    () => [] as unknown[],
    (all, _target, { response }, pass) => {
      const { end } = response;
      response.end = ((...given: unknown[]) => {
        all.push(given[0]);
        return end.apply(response, given as Parameters<typeof end>);
      }) as typeof end;
      return pass();
    },
  ),
  { name: 'has no type', breaks: (sound) => ({ ...sound, type: '' }) },
  telling('tells of itself in a Map', () => new Map([['lines', 1]])),
  telling('tells what JSON does not know', () => ({ at: new Date(0) })),
  sharing(
    'keeps answers for all sessions',
    () => new Map<string, Buffer>(),
    (answers, _target, { request, response }, pass) => {
      const key = `${request.method} ${request.url}`;
      const kept = answers.get(key);
      if (kept !== undefined && request.url === '/same') {
        response.end(kept);
        return undefined;
      }
      const { end } = response;
      response.end = ((chunk: unknown, ...rest: unknown[]) => {
        if (typeof chunk === 'string' && request.url === '/same') answers.set(key, Buffer.from(chunk));
        return end.apply(response, [chunk, ...rest] as Parameters<typeof end>);
      }) as typeof end;
      return pass();
    },
  ),
  sharing(
    'counts the requests of all sessions',
    () => ({ count: 0 }),
    (state, _target, { response }, pass) => {
      state.count += 1;
      if (state.count <= 150) return pass();
      response.writeHead(429).end();
      return undefined;
    },
  ),
  sharing(
    'knows a session by its id, also after a login',
    () => new Map<string, string>(),
    (answers, { id }, { request, response, session }, pass) => {
      const key = `${id} ${request.url}`;
      const kept = answers.get(key);
      if (kept !== undefined && request.url === '/page') {
        response.end(kept);
        return undefined;
      }
      answers.set(key, `of ${session.user ?? 'nobody'}`);
      return pass();
    },
  ),
  {
    name: 'throws away what it knows of the id when the old one is closed',
    breaks(sound) {
      const known = new Map<string, FilterSession>();
      return {
        ...sound,
        async open(target) {
          known.set(target.id, await sound.open(target));
          return {
            async handle(exchange, next) {
              const session = known.get(target.id);
              if (session === undefined) throw new Error('no such session');
              await session.handle(exchange, next);
            },
            async close() {
              await known.get(target.id)?.close();
              known.delete(target.id);
            },
          };
        },
      };
    },
  },
  closing('can not be closed', () => {
    throw new Error('closed already');
  }),
  {
    name: 'is closed for all sessions with the first',
    breaks(sound) {
      let closed = false;
      return {
        ...sound,
        async open(target) {
          const session = await sound.open(target);
          return {
            async handle(exchange, next) {
              if (closed) throw new Error('closed');
              await session.handle(exchange, next);
            },
            async close() {
              closed = true;
              await session.close();
            },
          };
        },
      };
    },
  },
  sharing(
    'keeps the requests that it has seen',
    () => [] as Exchange[],
    (seen, _target, exchange, pass) => {
      seen.push(exchange);
      return pass();
    },
  ),
  sharing(
    'keeps the sessions that it has seen',
    () => new Set<FilterTarget>(),
    (seen, target, _exchange, pass) => {
      seen.add(target);
      return pass();
    },
  ),
  mishandling('leaves a timer running', (_target, environment) => {
    environment.every(60_000, () => {});
    return (_exchange, pass) => pass();
  }),
];

const gossips: readonly FilterMutant[] = [
  mishandling('logs the URL', (target) => ({ request }, pass) => {
    target.log('info', `${request.url}`);
    return pass();
  }),
  mishandling('logs the fields of a request', (target) => ({ request }, pass) => {
    target.log('debug', request.rawHeaders.join());
    return pass();
  }),
  mishandling('logs what is written', (target) => ({ response }, pass) => {
    const { write } = response;
    response.write = ((...given: unknown[]) => {
      target.log('debug', String(given[0]));
      return write.apply(response, given as Parameters<typeof write>);
    }) as typeof write;
    return pass();
  }),
  mishandling('logs tokens', (target) => ({ request }, pass) => {
    target.log('debug', String(request.headers['x-filter-token']));
    return pass();
  }),
  {
    name: 'shows the last URL to operators',
    breaks(sound, environment) {
      let last = '';
      const mutant = mishandling('', () => ({ request }, pass) => {
        last = request.url ?? '';
        return pass();
      });
      return { ...mutant.breaks(sound, environment), diagnostics: () => ({ last }) };
    },
  },
];

/** What the suite must catch, one broken filter after another. */
export const filterMutants: readonly FilterMutant[] = [
  ...forgetful,
  ...gossips,
  ...wrongPassers,
  ...answerMutants,
];
