import type { HeaderField } from '@sessionkit/session-core';
import type { CarriedRequest, TransportKit } from './transport-kit.js';

/** The three places where HTTP clients keep credentials, each with its kind of client. What a kit needs beside `create`. */
export type Carriage = Omit<TransportKit, 'create'>;

/** A cookie, and a browser with a jar (RFC 6265 section 5.3): a cookie is replaced only by one of the same name, domain and path. */
export function cookieCarriage(name: string): Carriage {
  const carry = (values: readonly string[]): CarriedRequest =>
    values.length === 0 ? {} : { headers: { cookie: values.map((value) => `${name}=${value}`).join('; ') } };
  return {
    carry,
    client() {
      const jar = new Map<string, string>();
      return {
        receive(fields) {
          for (const [field, text] of fields) if (field === 'set-cookie') keep(jar, text);
        },
        request: () => (jar.size === 0 ? {} : { headers: { cookie: [...jar.values()].join('; ') } }),
      };
    },
  };
}

/** A parameter of the query string, and a program that keeps what comes in the header `answered`. */
export function queryCarriage(param: string, answered: string): Carriage {
  const carry = (values: readonly string[]): CarriedRequest => ({
    query: values.map((value) => [param, value]),
  });
  return { carry, client: () => holder(carry, answered, (value) => value) };
}

/** A header with an authentication scheme (RFC 9110 section 11.4), and a program that keeps what comes in the header `answered`. */
export function schemeCarriage(requested: string, scheme: string, answered: string): Carriage {
  const carry = (values: readonly string[]): CarriedRequest =>
    values.length === 0
      ? {}
      : { headers: { [requested]: values.map((value) => `${scheme} ${value}`).join(', ') } };
  const start = `${scheme} `;
  return {
    carry,
    client: () =>
      holder(carry, answered, (value) => (value.startsWith(start) ? value.slice(start.length) : undefined)),
  };
}

/** A client that holds the last token it was given and takes no notice of anything else. */
function holder(
  carry: Carriage['carry'],
  answered: string,
  tokenOf: (value: string) => string | undefined,
): ReturnType<Carriage['client']> {
  let held: string[] = [];
  return {
    receive(fields: readonly HeaderField[]) {
      for (const [field, value] of fields) {
        const token = field === answered ? tokenOf(value) : undefined;
        if (token !== undefined) held = [token];
      }
    },
    request: () => carry(held),
  };
}

function keep(jar: Map<string, string>, text: string): void {
  const [pair = '', ...attributes] = text.split(';').map((part) => part.trim());
  const attribute = (wanted: string) =>
    attributes.find((each) => each.toLowerCase().startsWith(`${wanted}=`))?.slice(wanted.length + 1);
  const place = [pair.slice(0, pair.indexOf('=')), attribute('domain'), attribute('path')].join('\n');
  const age = attribute('max-age');
  const expires = attribute('expires');
  const over =
    age === undefined ? expires !== undefined && Date.parse(expires) <= Date.now() : Number(age) <= 0;
  if (over) jar.delete(place);
  else jar.set(place, pair);
}
