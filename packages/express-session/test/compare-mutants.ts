import type { AppRequest, AppSession } from './app.js';

/** A session that is broken in one way. `break` sees every request once it has its session. */
interface SessionMutant {
  readonly name: string;
  break(request: AppRequest): void;
}

type Verb = 'save' | 'regenerate' | 'reload' | 'destroy';

/** Replaces a verb of whatever session the request has. */
function replace(request: AppRequest, verb: Verb, by: (session: AppSession, done: () => void) => void): void {
  const { session } = request;
  Object.defineProperty(session, verb, {
    configurable: true,
    value: (done: () => void = () => {}) => by(session, () => process.nextTick(done)),
  });
}

export const MUTANTS: readonly SessionMutant[] = [
  {
    name: 'regenerate keeps the session',
    break: (request) => replace(request, 'regenerate', (_, done) => done()),
  },
  {
    name: 'destroy leaves the session',
    break: (request) => replace(request, 'destroy', (_, done) => done()),
  },
  {
    name: 'reload keeps what was not saved',
    break: (request) => replace(request, 'reload', (_, done) => done()),
  },
  {
    name: 'what is deep inside is frozen',
    break: ({ session }) => {
      for (const key of Object.keys(session)) if (key !== 'cookie') deepFreeze(session[key]);
    },
  },
  {
    name: 'methods are members',
    break: ({ session }) => {
      Object.defineProperty(session, 'save', { enumerable: true, configurable: true, value: session.save });
    },
  },
  {
    name: 'members are read only once',
    break: (request) => {
      const copy: Record<string, unknown> = { ...request.session };
      for (const key of Object.keys(copy)) {
        if (key === 'cookie') continue;
        Object.defineProperty(request.session, key, {
          enumerable: true,
          configurable: true,
          get: () => copy[key],
          set: () => {},
        });
      }
    },
  },
  {
    name: 'cookie.maxAge is not kept',
    break: ({ session }) => {
      Object.defineProperty(session, 'cookie', {
        enumerable: true,
        value: { maxAge: 3_600_000, originalMaxAge: 3_600_000, expires: new Date(Date.now() + 3_600_000) },
      });
    },
  },
];

function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  for (const member of Object.values(value)) deepFreeze(member);
  Object.freeze(value);
}
