import { Forwarding } from '@sessionkit/session-core';
import { ACCESS } from './cases/access.js';
import { ANSWERS } from './cases/answers.js';
import type { Case } from './cases/case.js';
import { CLIENTS } from './cases/clients.js';
import { ERRORS } from './cases/errors.js';
import { OWN } from './cases/own.js';
import { SOCKETS } from './cases/sockets.js';
import { STREAMS } from './cases/streams.js';
import { TRUST } from './cases/trust.js';
import { onVisit, type Tamper } from './world.js';

export interface Mutant {
  /** The cases that are there to catch it. */
  readonly by: readonly Case[];
  readonly tamper: Tamper;
}

/** Integrations that are wrong in one way: what they drive is changed, so that each is wrong in its framework's own way. */
export const MUTANTS: Readonly<Record<string, Mutant>> = {
  'answers before it has stored': {
    by: ANSWERS,
    tamper: (service) =>
      onVisit(service, (visit) => {
        const finish = visit.finish.bind(visit);
        visit.finish = async (head) => {
          finish(head).catch(() => undefined);
          return visit.headers;
        };
      }),
  },
  'takes a failed store for a stored one': {
    by: ANSWERS,
    tamper: (service) =>
      onVisit(service, (visit) => {
        const finish = visit.finish.bind(visit);
        visit.finish = (head) => finish(head).catch(() => visit.headers);
      }),
  },
  'forgets the fields of the visit': {
    by: ANSWERS,
    tamper: (service) =>
      onVisit(service, (visit) => {
        const finish = visit.finish.bind(visit);
        visit.finish = (head) => finish(head).then(() => []);
      }),
  },
  'stores nothing after the head': {
    by: STREAMS,
    tamper: (service) =>
      onVisit(service, (visit) => {
        const finish = visit.finish.bind(visit);
        visit.finish = (head) => (head === undefined ? Promise.resolve([]) : finish(head));
      }),
  },
  'ignores refusals': {
    by: ACCESS,
    tamper: (service) =>
      onVisit(service, (visit) => Object.defineProperty(visit, 'refusal', { value: undefined })),
  },
  'ignores what a route asks': {
    by: ACCESS,
    tamper: (service) => {
      service.require = () => undefined;
    },
  },
  'never closes a visit': {
    by: CLIENTS,
    tamper: (service) =>
      onVisit(service, (visit) => {
        visit.close = () => {};
      }),
  },
  'tells of a fault without its code': {
    by: ERRORS,
    tamper: (service) =>
      onVisit(service, ({ session }) => {
        const login = session.login.bind(session);
        session.login = (user) =>
          login(user).catch(() => {
            throw new Error('something failed');
          });
      }),
  },
  'ends no other session': {
    by: OWN,
    tamper: (service) =>
      onVisit(service, ({ session }) => {
        session.endOthers = async () => 2;
      }),
  },
  'ends none by its id': {
    by: OWN,
    tamper: (service) =>
      onVisit(service, ({ session }) => {
        session.end = async () => true;
      }),
  },
  'tells no socket that its session is over': {
    by: SOCKETS,
    tamper: (service) =>
      onVisit(service, ({ session }) =>
        Object.defineProperty(session, 'signal', { value: new AbortController().signal }),
      ),
  },
  'believes every proxy': {
    by: TRUST,
    tamper: (service) => {
      const open = service.open.bind(service);
      service.open = (request) => {
        const believed = new Forwarding(
          { peer: '127.0.0.1', header: (name) => request.header(name) },
          () => true,
        );
        return open(
          new Proxy(request, {
            get(target, name) {
              if (name === 'client') return () => ({ ...target.client(), ip: believed.client.ip });
              const value: unknown = Reflect.get(target, name, target);
              return typeof value === 'function' ? value.bind(target) : value;
            },
          }),
        );
      };
    },
  },
  'takes no request for one of another site': {
    by: TRUST,
    tamper: (service) => {
      const open = service.open.bind(service);
      service.open = (request) =>
        open(
          new Proxy(request, {
            get(target, name) {
              if (name === 'header') {
                return (field: string) =>
                  field === 'origin' || field === 'sec-fetch-site' ? undefined : target.header(field);
              }
              const value: unknown = Reflect.get(target, name, target);
              return typeof value === 'function' ? value.bind(target) : value;
            },
          }),
        );
    },
  },
};
