import assert from 'node:assert/strict';
import { aToken, read, type TransportCase } from './transport-kit.js';

/** What a transport says about itself: gateways strip by it, core guards by it. */
export const declaringCases: readonly TransportCase[] = [
  {
    name: 'a transport says its type and at least one carrier, names of headers in lower case',
    run(kit) {
      const { type, carrier } = kit.create();
      assert.match(type, /^[a-z][a-z0-9._/@-]*$/);
      const { cookie, query, requestHeader, responseHeader } = carrier;
      const ways = [cookie, query, requestHeader].filter((each) => each !== undefined);
      assert.ok(ways.length > 0 && ways.every((each) => each !== ''), 'no carrier');
      for (const name of [requestHeader, responseHeader])
        assert.ok(name === undefined || (name !== '' && name === name.toLowerCase()), `header ${name}`);
    },
  },
  {
    name: 'what is taken out of the carrier is out of the request',
    run(kit) {
      const transport = kit.create();
      const { cookie, query, requestHeader } = transport.carrier;
      const token = aToken();
      const { headers = {}, query: parameters = [] } = kit.carry([token]);
      const stripped = Object.entries(headers)
        .filter(([name]) => name !== requestHeader)
        .map(([name, value]) => {
          const kept = value.split(/; */).filter((pair) => !pair.startsWith(`${cookie}=`));
          return [name, name === 'cookie' ? kept.join('; ') : value];
        });
      const left = {
        headers: Object.fromEntries(stripped),
        query: parameters.filter(([name]) => name !== query),
      };
      assert.deepEqual(read(transport, left), []);
      assert.ok(!JSON.stringify(left).includes(token), 'the token is still in the request');
    },
  },
  {
    name: 'what browsers send on their own is declared ambient',
    applies: ({ carrier }) => carrier.cookie !== undefined,
    run(kit) {
      assert.equal(kit.create().ambient, true);
    },
  },
  {
    name: 'what only the URL carries is not ambient',
    applies: ({ carrier }) => carrier.cookie === undefined && carrier.requestHeader === undefined,
    run(kit) {
      assert.equal(kit.create().ambient, false);
    },
  },
  {
    name: 'a header that other schemes use too is read leniently',
    applies: ({ carrier }) => carrier.requestHeader === 'authorization',
    run(kit) {
      assert.equal(kit.create().lenient, true);
    },
  },
  {
    name: 'a carrier that has the name of ours is not read leniently',
    applies: ({ carrier }) => carrier.cookie !== undefined || carrier.query !== undefined,
    run(kit) {
      assert.equal(kit.create().lenient, false);
    },
  },
  {
    name: 'an answer that depends on a header varies by it (RFC 9110 section 12.5.5)',
    applies: ({ carrier }) => carrier.cookie !== undefined || carrier.requestHeader !== undefined,
    run(kit) {
      const { vary, carrier } = kit.create();
      const names = (vary ?? '').toLowerCase().split(/ *, */);
      if (carrier.cookie !== undefined) assert.ok(names.includes('cookie'), `vary: ${vary}`);
      if (carrier.requestHeader !== undefined)
        assert.ok(names.includes(carrier.requestHeader), `vary: ${vary}`);
    },
  },
  {
    name: 'an answer that depends on the URL alone does not vary',
    applies: ({ carrier }) => carrier.cookie === undefined && carrier.requestHeader === undefined,
    run(kit) {
      assert.equal(kit.create().vary, undefined);
    },
  },
];
