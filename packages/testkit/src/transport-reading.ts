import assert from 'node:assert/strict';
import type { Transport } from '@sessionkit/session-core';
import {
  aToken,
  type CarriedRequest,
  ENCRYPTED,
  LEFT,
  read,
  type TransportCase,
  viewOf,
} from './transport-kit.js';

/** Values that a client may send in place of a token, in characters that each carrier can hold. */
const MALFORMED = [
  'x',
  '0',
  'null',
  '__proto__',
  'constructor',
  'eyJhbGciOiJIUzI1NiJ9.e30.c2ln',
  's'.repeat(71),
  'a'.repeat(8_192),
];

/** What no client sends that means well. */
const RUBBISH = [
  '',
  ' ',
  '\t',
  ';',
  '=',
  ';;;===;;;',
  ',',
  ',,,',
  '"',
  '"""',
  '%',
  '%0d%0aSet-Cookie: a=b',
  '%ff%fe',
  'a\r\nSet-Cookie: b=c',
  'a\0b',
  '\u0001\u001f\u007f',
  'Bearer',
  'Bearer Bearer Bearer',
  '\u{1f36a}\ud800',
  'toString=1; __proto__=2; constructor=3',
  'a'.repeat(1_000_000),
  `${' '.repeat(100_000)}=`,
  '=;'.repeat(100_000),
];

const authorization = (declared: Transport) => declared.carrier.requestHeader === 'authorization';

/** How a transport takes a token out of a request. */
export const readingCases: readonly TransportCase[] = [
  {
    name: 'a request that carries nothing is read as nothing',
    run(kit) {
      assert.deepEqual(read(kit.create(), {}), []);
      assert.deepEqual(read(kit.create(), kit.carry([])), []);
      assert.deepEqual(read(kit.create(), kit.client().request()), []);
    },
  },
  {
    name: 'a token is read as the client sent it',
    run(kit) {
      const token = aToken();
      assert.deepEqual(read(kit.create(), kit.carry([token])), [token]);
    },
  },
  {
    name: 'several values are read in the order in which they were sent',
    run(kit) {
      const two = [aToken(), aToken()];
      assert.deepEqual(read(kit.create(), kit.carry(two)), two);
      const three = [aToken(), 'x', aToken()];
      assert.deepEqual(read(kit.create(), kit.carry(three)), three);
    },
  },
  {
    name: 'of more than three values the first three are read',
    run(kit) {
      const four = [aToken(), aToken(), aToken(), aToken()];
      const flood = [...four, ...Array.from({ length: 10_000 }, (_, i) => `x${i}`)];
      for (const values of [four, flood])
        assert.deepEqual(read(kit.create(), kit.carry(values)), four.slice(0, 3));
    },
  },
  {
    name: 'a value that has not the form of a token is handed to core as it is',
    run(kit) {
      for (const value of MALFORMED) assert.deepEqual(read(kit.create(), kit.carry([value])), [value]);
    },
  },
  {
    name: 'reading never throws and answers at most three texts, whatever the carrier holds',
    run(kit) {
      const transport = kit.create();
      for (const rubbish of RUBBISH)
        for (const request of [
          kit.carry([rubbish]),
          kit.carry([rubbish, rubbish]),
          ...planted(transport, rubbish),
        ]) {
          const values = read(transport, request);
          assert.ok(Array.isArray(values) && values.length <= 3, 'more than three values');
          assert.ok(
            values.every((value) => typeof value === 'string'),
            'a value that is no text',
          );
        }
    },
  },
  {
    name: 'reading looks nowhere but at the declared carrier, and for header names in lower case',
    run(kit) {
      const transport = kit.create();
      const { cookie, query, requestHeader } = transport.carrier;
      const places = [
        cookie === undefined ? undefined : 'header cookie',
        requestHeader === undefined ? undefined : `header ${requestHeader.toLowerCase()}`,
        query === undefined ? undefined : `query ${query}`,
      ];
      for (const request of [{}, kit.carry([aToken()]), elsewhere(transport)]) {
        const view = viewOf(request);
        transport.read(view);
        for (const place of view.asked) assert.ok(places.includes(place), `looked at ${place}`);
      }
    },
  },
  {
    name: 'a token in any other place is not read',
    run(kit) {
      const transport = kit.create();
      assert.deepEqual(read(transport, elsewhere(transport)), []);
    },
  },
  {
    name: 'reading remembers nothing: the same request gives the same, and another one its own',
    run(kit) {
      const transport = kit.create();
      const one = aToken();
      const other = aToken();
      assert.deepEqual(read(transport, kit.carry([one])), [one]);
      assert.deepEqual(read(transport, kit.carry([one])), [one]);
      assert.deepEqual(read(transport, kit.carry([other])), [other]);
      assert.deepEqual(read(transport, {}), []);
    },
  },
  {
    name: 'issuing does not change what is read',
    run(kit) {
      const transport = kit.create();
      transport.issue(aToken(), LEFT, ENCRYPTED);
      assert.deepEqual(read(transport, {}), []);
      const token = aToken();
      assert.deepEqual(read(transport, kit.carry([token])), [token]);
    },
  },
  {
    name: 'a cookie is found among others, with and without white space around it',
    applies: ({ carrier }) => carrier.cookie !== undefined,
    run(kit) {
      const token = aToken();
      const own = kit.carry([token]).headers?.cookie ?? '';
      for (const cookie of [
        `a=b; ${own}; c=d`,
        `a=b;${own};c=d`,
        `; ${own};`,
        ` \t${own} ;`,
        `a; =b; ${own}`,
      ])
        assert.deepEqual(
          read(kit.create(), { headers: { cookie } }),
          [token],
          cookie.replace(token, 'TOKEN'),
        );
    },
  },
  {
    name: 'the name of the cookie inside another name or value is not the cookie',
    applies: ({ carrier }) => carrier.cookie !== undefined,
    run(kit) {
      const own = kit.carry([aToken()]).headers?.cookie ?? '';
      for (const cookie of [`x${own}`, `x-${own}`, `a=${own}`, `a="b ${own}"`, `a=b, ${own}`])
        assert.deepEqual(read(kit.create(), { headers: { cookie } }), []);
    },
  },
  {
    name: 'quotes around the value of a cookie are not part of it',
    applies: ({ carrier }) => carrier.cookie !== undefined,
    run(kit) {
      const token = aToken();
      assert.deepEqual(read(kit.create(), kit.carry([`"${token}"`])), [token]);
    },
  },
  {
    name: 'the case of the authentication scheme does not count (RFC 9110 section 11.1)',
    applies: authorization,
    run(kit) {
      const token = aToken();
      const [scheme = ''] = (kit.carry([token]).headers?.authorization ?? '').split(' ');
      for (const each of [scheme.toLowerCase(), scheme.toUpperCase()])
        assert.deepEqual(read(kit.create(), { headers: { authorization: `${each} ${token}` } }), [token]);
    },
  },
  {
    name: 'credentials of another scheme in the same header are not read, and do not hide the token beside them',
    applies: authorization,
    run(kit) {
      const token = aToken();
      const own = kit.carry([token]).headers?.authorization ?? '';
      const [scheme = ''] = own.split(' ');
      const foreign = [
        'Basic YTpi',
        `Basic ${token}`,
        token,
        scheme,
        `${scheme} `,
        `${scheme}${token}`,
        `x${own}`,
      ];
      for (const text of foreign)
        assert.deepEqual(
          read(kit.create(), { headers: { authorization: text } }),
          [],
          text.replace(token, 'TOKEN'),
        );
      assert.deepEqual(read(kit.create(), { headers: { authorization: `Basic YTpi, ${own}` } }), [token]);
    },
  },
];

/** The rubbish itself as the whole of each carrier. */
function planted({ carrier }: Transport, rubbish: string): CarriedRequest[] {
  const requests: CarriedRequest[] = [];
  if (carrier.cookie !== undefined)
    requests.push(
      { headers: { cookie: rubbish } },
      { headers: { cookie: `${rubbish}${carrier.cookie}=${rubbish}` } },
    );
  if (carrier.requestHeader !== undefined) requests.push({ headers: { [carrier.requestHeader]: rubbish } });
  if (carrier.query !== undefined)
    requests.push({ query: Array.from({ length: 9 }, () => [carrier.query ?? '', rubbish]) });
  return requests;
}

/** A request with a token in every place but those of the carrier. */
function elsewhere({ carrier }: Transport): CarriedRequest {
  const token = aToken();
  const headers: Record<string, string> = {
    cookie: `sid=${token}; session=${token}; _token=${token}; sxapi-sess=${token}`,
    authorization: `Bearer ${token}`,
    'proxy-authorization': `Bearer ${token}`,
    'session-token': token,
    'x-session-token': token,
    'x-session-id': token,
    'x-auth-token': token,
    'set-cookie': `sxapi-sess=${token}`,
    referer: `https://example.org/?_token=${token}`,
  };
  if (carrier.requestHeader !== undefined) delete headers[carrier.requestHeader];
  if (carrier.cookie !== undefined) {
    const { cookie: name } = carrier;
    headers.cookie = `${name}x=${token}; x${name}=${token}; ${swapped(name)}=${token}; other=${token}`;
  }
  const names = ['token', '_token', 'access_token', 'sid', 'sxapi-sess'].filter(
    (name) => name !== carrier.query,
  );
  if (carrier.query !== undefined)
    names.push(`${carrier.query}x`, `x${carrier.query}`, swapped(carrier.query));
  return { headers, query: names.map((name) => [name, token] as const) };
}

/** The other case; the same text where that makes no difference would be the carrier itself, so that a letter is added. */
function swapped(name: string): string {
  const other = name === name.toUpperCase() ? name.toLowerCase() : name.toUpperCase();
  return other === name ? `${name}a` : other;
}
