import assert from 'node:assert/strict';
import { CLIENT_CODES, type HeaderField, type Token, type Transport } from '@sessionkit/session-core';
import { aToken, ENCRYPTED, fieldValue, LEFT, PLAIN, read, type TransportCase } from './transport-kit.js';

const codes = Object.keys(CLIENT_CODES) as (keyof typeof CLIENT_CODES)[];
const byCookie = (declared: Transport) => declared.carrier.responseHeader === 'set-cookie';
const byScheme = (declared: Transport) => declared.carrier.requestHeader === 'authorization';

/** RFC 6265bis section 5.5, in seconds. */
const LONGEST_COOKIE = 400 * 24 * 60 * 60;
const CR_LF = '\r\nSet-Cookie: planted=1\r\n\r\n';

/** How a transport gives a token to a client, takes it away, and refuses one. */
export const handingCases: readonly TransportCase[] = [
  {
    name: 'a client sends back the token it was handed',
    run(kit) {
      const transport = kit.create();
      const client = kit.client();
      const token = aToken();
      client.receive(transport.issue(token, LEFT, ENCRYPTED));
      assert.deepEqual(read(transport, client.request()), [token]);
    },
  },
  {
    name: 'a newer token takes the place of the older one',
    run(kit) {
      const transport = kit.create();
      const client = kit.client();
      client.receive(transport.issue(aToken(), LEFT, ENCRYPTED));
      const token = aToken();
      client.receive(transport.issue(token, LEFT, ENCRYPTED));
      assert.deepEqual(read(transport, client.request()), [token]);
    },
  },
  {
    name: 'the token goes out once, in the declared field of the answer',
    run(kit) {
      const transport = kit.create();
      const token = aToken();
      const fields = transport.issue(token, LEFT, ENCRYPTED);
      const carrying = fields.filter(([, value]) => value.includes(token)).map(([name]) => name);
      assert.deepEqual(carrying, [transport.carrier.responseHeader]);
    },
  },
  {
    name: 'names of fields are in lower case, and names and values are legal (RFC 9110 section 5)',
    run(kit) {
      const transport = kit.create();
      for (const [name, value] of allFields(transport)) {
        assert.match(name, /^[!#$%&'*+\-.^_`|~0-9a-z]+$/);
        assert.match(value, /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/);
      }
    },
  },
  {
    name: 'a line break in what is to be issued starts no field of its own, and is not repeated in an error',
    run(kit) {
      for (const evil of [CR_LF, `${aToken()}${CR_LF}`, `a\0b`, `${aToken()}; Domain=example.org`, 'a, b']) {
        let fields: readonly HeaderField[] = [];
        try {
          fields = kit.create().issue(evil as Token, LEFT, ENCRYPTED);
        } catch (error) {
          assert.ok(error instanceof Error && !error.message.includes(evil), 'the error repeats the value');
        }
        for (const [, value] of fields)
          assert.ok(!value.includes(evil), 'the value is in a field as it came');
      }
    },
  },
  {
    name: 'a field that scripts of other origins have to read is exposed to them (Fetch, CORS)',
    applies: (declared) => !byCookie(declared),
    run(kit) {
      const transport = kit.create();
      const exposed = fieldValue(transport.issue(aToken(), LEFT, ENCRYPTED), 'access-control-expose-headers');
      const names = (exposed ?? '').toLowerCase().split(/ *, */);
      assert.ok(names.includes(transport.carrier.responseHeader), `exposed: ${exposed}`);
    },
  },
  {
    name: 'a token that travels in the URL is kept out of Referer',
    applies: ({ carrier }) => carrier.query !== undefined,
    run(kit) {
      const fields = kit.create().issue(aToken(), LEFT, ENCRYPTED);
      assert.equal(fieldValue(fields, 'referrer-policy'), 'no-referrer');
    },
  },
  {
    name: 'a cookie is closed to scripts, and to plain connections once it was handed out over an encrypted one',
    applies: byCookie,
    run(kit) {
      const transport = kit.create();
      for (const fields of [transport.issue(aToken(), LEFT, ENCRYPTED), transport.clear(ENCRYPTED)]) {
        const attributes = attributesOf(fields);
        assert.ok(attributes.includes('httponly'), 'not HttpOnly');
        assert.ok(attributes.includes('secure'), 'not Secure');
      }
    },
  },
  {
    name: 'a cookie says with which requests from other sites it is sent',
    applies: byCookie,
    run(kit) {
      const attributes = attributesOf(kit.create().issue(aToken(), LEFT, ENCRYPTED));
      assert.ok(
        attributes.some((each) => /^samesite=(lax|strict|none)$/.test(each)),
        'no SameSite',
      );
    },
  },
  {
    name: 'a cookie does not outlive its session',
    applies: byCookie,
    run(kit) {
      assert.ok(maxAgeOf(kit.create().issue(aToken(), LEFT, ENCRYPTED)) <= LEFT);
      assert.ok(maxAgeOf(kit.create().issue(aToken(), 0, ENCRYPTED)) <= 0);
    },
  },
  {
    name: 'a cookie lasts at most as long as browsers keep one: 400 days and 4,096 bytes',
    applies: byCookie,
    run(kit) {
      const fields = kit.create().issue(aToken(), 10 * LONGEST_COOKIE, ENCRYPTED);
      assert.ok(maxAgeOf(fields) <= LONGEST_COOKIE);
      const [pair = ''] = (fieldValue(fields, 'set-cookie') ?? '').split(';');
      assert.ok(pair.length <= 4_096, `${pair.length} bytes`);
    },
  },
  {
    name: 'clearing takes the token from a client that sends it on its own',
    applies: ({ ambient }) => ambient,
    run(kit) {
      const transport = kit.create();
      for (const context of [ENCRYPTED, PLAIN]) {
        const client = kit.client();
        client.receive(transport.issue(aToken(), LEFT, context));
        client.receive(transport.clear(context));
        assert.deepEqual(read(transport, client.request()), []);
      }
    },
  },
  {
    name: 'clearing adds nothing where the client itself keeps the token',
    applies: ({ ambient }) => !ambient,
    run(kit) {
      assert.deepEqual(kit.create().clear(ENCRYPTED), []);
      assert.deepEqual(kit.create().clear(PLAIN), []);
    },
  },
  {
    name: 'a refusal carries no token and takes none away',
    run(kit) {
      const transport = kit.create();
      for (const code of codes)
        for (const presented of [true, false])
          assert.equal(
            fieldValue(transport.challenge(code, presented), transport.carrier.responseHeader),
            undefined,
          );
    },
  },
  {
    name: 'a refusal that has nothing to do with the credentials has no challenge',
    run(kit) {
      const transport = kit.create();
      for (const code of codes) {
        if (CLIENT_CODES[code] === 401 || code === 'bad_request') continue;
        for (const presented of [true, false])
          assert.equal(fieldValue(transport.challenge(code, presented), 'www-authenticate'), undefined, code);
      }
    },
  },
  {
    name: 'a transport without an authentication scheme names none',
    applies: (declared) => !byScheme(declared),
    run(kit) {
      const transport = kit.create();
      for (const code of codes)
        for (const presented of [true, false])
          assert.equal(fieldValue(transport.challenge(code, presented), 'www-authenticate'), undefined, code);
    },
  },
  {
    name: 'a 401 without credentials names the scheme and no error code (RFC 6750 section 3.1)',
    applies: byScheme,
    run(kit) {
      for (const challenge of challenges(kit.create(), 401, false)) {
        assert.match(challenge, schemeOf(kit.carry(['x']).headers?.authorization));
        assert.ok(!/\berror/.test(challenge), challenge);
      }
    },
  },
  {
    name: 'a 401 for credentials that came says invalid_token (RFC 6750 section 3.1)',
    applies: byScheme,
    run(kit) {
      for (const challenge of challenges(kit.create(), 401, true)) {
        assert.match(challenge, schemeOf(kit.carry(['x']).headers?.authorization));
        assert.match(challenge, /[ ,]error="invalid_token"(?:,|$)/);
      }
    },
  },
  {
    name: 'credentials that make a bad request get invalid_request (RFC 6750 section 3.1)',
    applies: byScheme,
    run(kit) {
      for (const challenge of challenges(kit.create(), 400, true))
        assert.match(challenge, /[ ,]error="invalid_request"(?:,|$)/);
    },
  },
];

/** Everything the transport ever adds to an answer. */
function allFields(transport: Transport): HeaderField[] {
  return [ENCRYPTED, PLAIN].flatMap((context) => [
    ...transport.issue(aToken(), LEFT, context),
    ...transport.issue(aToken(), 0, context),
    ...transport.clear(context),
    ...codes.flatMap((code) => [...transport.challenge(code, true), ...transport.challenge(code, false)]),
  ]);
}

/** `WWW-Authenticate` of each refusal with this status; empty text where it is missing. */
function challenges(transport: Transport, status: number, presented: boolean): string[] {
  return codes
    .filter((code) => CLIENT_CODES[code] === status)
    .map((code) => fieldValue(transport.challenge(code, presented), 'www-authenticate') ?? '');
}

function schemeOf(authorization = ''): RegExp {
  return new RegExp(`^${authorization.split(' ')[0]}(?: |$)`, 'i');
}

function attributesOf(fields: readonly HeaderField[]): string[] {
  const [, ...attributes] = (fieldValue(fields, 'set-cookie') ?? '').split(';');
  return attributes.map((each) => each.trim().toLowerCase());
}

/** 0 without `Max-Age`: such a cookie ends with the browser. */
function maxAgeOf(fields: readonly HeaderField[]): number {
  const age = attributesOf(fields).find((each) => each.startsWith('max-age='));
  return Number(age?.slice('max-age='.length) ?? 0);
}
