import type { HeaderField, Service, VisitRequest } from '@sessionkit/session-core';

interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
}

/** A request of a client on this machine. */
export function request({ headers = {}, query = {} }: Sent = {}): VisitRequest {
  const known = new Map(Object.entries(query));
  return {
    method: 'GET',
    path: '/',
    secure: false,
    host: 'shop.example',
    upgrade: false,
    untrustedProxy: false,
    header: (name) => headers[name],
    query: (name) => [known.get(name)].filter((value) => value !== undefined),
    client: () => ({ ip: '127.0.0.1', port: 1, cipher: '', userAgent: '', attributes: {} }),
  };
}

/** What a client sends next after it was handed a token by `fields`. */
export function answerTo(fields: readonly HeaderField[], param: string): Sent {
  const find = (name: string) => fields.find(([field]) => field.toLowerCase() === name)?.[1];
  const cookie = find('set-cookie')?.split(';')[0];
  const authorization = find('authorization');
  const token = find('session-token');
  return {
    headers: { ...(cookie && { cookie }), ...(authorization && { authorization }) },
    query: token === undefined ? {} : { [param]: token },
  };
}

/** Logs in, comes back, and tells who was there the second time. */
export async function visitTwice(service: Service, param: string) {
  const first = await service.open(request());
  await first.session.login('ann');
  first.session.set('visits', 1);
  const fields = await first.finish({ status: 200, cacheControl: undefined });
  first.close();
  const second = await service.open(request(answerTo(fields, param)));
  const { id, user, isNew } = second.session;
  const visits = second.session.get('visits');
  second.close();
  return { sameId: id !== undefined && id === first.session.id, user, isNew, visits, fields };
}
