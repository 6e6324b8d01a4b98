import type { Service, Visit } from '@sessionkit/session-core';
import { httpSettings, nodeRequest, sessionHandler } from '../src/index.js';
import type { Listen } from './behaviour.js';

/** A service whose visits are changed by `mutate`. */
function changed(service: Service, mutate: (visit: Visit) => Partial<Visit>): Service {
  const open: Service['open'] = async (request) => {
    const visit = await service.open(request);
    const mutation = mutate(visit);
    return new Proxy(visit, {
      get(target, name) {
        if (name in mutation) return mutation[name as keyof Visit];
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
      set: (target, name, value) => Reflect.set(target, name, value, target),
    });
  };
  return new Proxy(service, {
    get: (target, name) => (name === 'open' ? open : Reflect.get(target, name, target)),
  });
}

const settings = httpSettings();

/** Handlers that look like ours and are wrong in one way. */
export const MUTANTS: Readonly<Record<string, Listen>> = {
  'stores after the head': (service, handler) => (request, response) => {
    void service.open(nodeRequest(request, settings)).then((visit) => {
      const { end } = response;
      response.end = ((chunk?: unknown) => {
        end.call(response, chunk, 'utf8');
        visit.finish({ status: response.statusCode, cacheControl: undefined }).catch(() => {});
        return response;
      }) as typeof response.end;
      return handler(request, response, visit.session);
    });
  },
  'takes a failed store for a stored one': (service, handler) =>
    sessionHandler(
      changed(service, (visit) => ({ finish: (head) => visit.finish(head).catch(() => visit.headers) })),
      handler,
    ),
  'forgets the fields of the visit': (service, handler) =>
    sessionHandler(
      changed(service, (visit) => ({ finish: (head) => visit.finish(head).then(() => []) })),
      handler,
    ),
  'stores nothing after the head': (service, handler) =>
    sessionHandler(
      changed(service, (visit) => ({
        finish: (head) => (head === undefined ? Promise.resolve([]) : visit.finish(head)),
      })),
      handler,
    ),
};
