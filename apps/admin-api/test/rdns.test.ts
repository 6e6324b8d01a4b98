import { type TestEnvironment, testEnvironment } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import { BUDGET, createReverseDns, type DnsResolver } from '../src/rdns.js';

interface Zone {
  readonly reverse?: Readonly<Record<string, readonly string[] | Error>>;
  readonly forward?: Readonly<Record<string, readonly string[] | Error>>;
}

const none = () => Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });

function answer(found: readonly string[] | Error | undefined): Promise<readonly string[]> {
  if (found instanceof Error) return Promise.reject(found);
  return found === undefined ? Promise.reject(none()) : Promise.resolve(found);
}

/** A resolver that notes what it is asked. */
function dns(zone: Zone) {
  const asked: string[] = [];
  const resolver: DnsResolver = {
    reverse(address) {
      asked.push(address);
      return answer(zone.reverse?.[address]);
    },
    resolve4: (name) => answer(zone.forward?.[name]),
    resolve6: (name) => answer(zone.forward?.[name]),
  };
  return { asked, resolver };
}

const OFFICE: Zone = {
  reverse: { '192.0.2.7': ['Office.Example.'], '2001:db8::1': ['six.example'] },
  forward: { 'office.example': ['192.0.2.7', '192.0.2.8'], 'six.example': ['2001:DB8:0:0::1'] },
};

async function names(resolver: DnsResolver, addresses: readonly string[], environment = testEnvironment()) {
  return Object.fromEntries(await createReverseDns({ environment, resolver }).begin()(addresses));
}

describe('reverse DNS', () => {
  it('answers names that lead back to their address, IPv4 in IPv6 and any spelling included', async () => {
    const { resolver, asked } = dns(OFFICE);
    const found = await names(resolver, ['192.0.2.7', '::ffff:192.0.2.7', '2001:0db8::0001', '192.0.2.7']);
    expect(found).toEqual({
      '192.0.2.7': 'office.example',
      '::ffff:192.0.2.7': 'office.example',
      '2001:0db8::0001': 'six.example',
    });
    expect(asked).toEqual(['192.0.2.7', '2001:db8::1']);
  });

  it.each<[string, Zone]>([
    ['has no name', {}],
    [
      'claims a name that leads elsewhere',
      { reverse: { '192.0.2.7': ['bank.example'] }, forward: { 'bank.example': ['203.0.113.1'] } },
    ],
    ['claims a name that does not exist', { reverse: { '192.0.2.7': ['bank.example'] } }],
    [
      'claims an address for a name',
      { reverse: { '192.0.2.7': ['10.0.0.1'] }, forward: { '10.0.0.1': ['192.0.2.7'] } },
    ],
    [
      'claims markup for a name',
      { reverse: { '192.0.2.7': ['<b>.example'] }, forward: { '<b>.example': ['192.0.2.7'] } },
    ],
    [
      'has its right name behind many wrong ones',
      {
        reverse: { '192.0.2.7': ['a.example', 'b.example', 'c.example', 'office.example'] },
        forward: { 'office.example': ['192.0.2.7'] },
      },
    ],
  ])('shows the address of a client that %s', async (_what, zone) => {
    expect(await names(dns(zone).resolver, ['192.0.2.7'])).toEqual({});
  });

  it('asks nothing for what is no address', async () => {
    const { resolver, asked } = dns(OFFICE);
    expect(await names(resolver, ['', 'unix', '192.0.2.7:80'])).toEqual({});
    expect(asked).toEqual([]);
  });

  it('keeps a name for 5 minutes, and for 30 s that there was none', async () => {
    const environment = testEnvironment();
    const { resolver, asked } = dns(OFFICE);
    const reverse = createReverseDns({ environment, resolver });
    const ask = () => reverse.begin()(['192.0.2.7', '192.0.2.99']);
    await ask();
    await ask();
    expect(asked).toEqual(['192.0.2.7', '192.0.2.99']);
    await environment.advance(30_001);
    expect([...(await ask()).keys()]).toEqual(['192.0.2.7']);
    expect(asked).toEqual(['192.0.2.7', '192.0.2.99', '192.0.2.99']);
    await environment.advance(270_000);
    await ask();
    expect(asked.filter((one) => one === '192.0.2.7')).toHaveLength(2);
  });

  it('keeps 10,000 addresses at most, the newest', async () => {
    const environment = testEnvironment();
    const { resolver, asked } = dns(OFFICE);
    const reverse = createReverseDns({ environment, resolver });
    await reverse.begin()(['192.0.2.7']);
    for (let block = 0; block < 40; block++) {
      const addresses = Array.from({ length: 250 }, (_, i) => `10.0.${block}.${i}`);
      await reverse.begin()(addresses);
    }
    expect(asked).toHaveLength(10_001);
    await reverse.begin()(['10.0.39.249', '192.0.2.7']);
    expect(asked.slice(10_001)).toEqual(['192.0.2.7']);
  });

  it('tells the log once a minute that it does not work, and never that there is no name', async () => {
    const environment = testEnvironment();
    const broken = Object.assign(new Error('refused'), { code: 'ESERVFAIL' });
    const { resolver } = dns({
      reverse: { '192.0.2.1': broken, '192.0.2.2': ['x.example'], '192.0.2.3': broken },
      forward: { 'x.example': broken },
    });
    const reverse = createReverseDns({ environment, resolver });
    await reverse.begin()(['192.0.2.99']);
    expect(environment.entries).toEqual([]);
    expect(await reverse.begin()(['192.0.2.1', '192.0.2.2'])).toEqual(new Map());
    expect(environment.entries).toEqual([
      { level: 'warning', message: 'reverse DNS: a look-up failed', error: broken },
    ]);
    await environment.advance(60_000);
    await reverse.begin()(['192.0.2.3']);
    expect(environment.entries).toHaveLength(2);
  });
});

/** A resolver that answers when it is told to. */
function silent(): { resolver: DnsResolver; asked: string[]; release: (() => void)[] } {
  const asked: string[] = [];
  const release: (() => void)[] = [];
  const resolver: DnsResolver = {
    reverse(address) {
      asked.push(address);
      return new Promise((resolve) =>
        release.push(() => resolve([`h${address.replaceAll('.', '-')}.example`])),
      );
    },
    resolve4: async (name) => [name.slice(1).replace('.example', '').replaceAll('-', '.')],
    resolve6: async () => [],
  };
  return { resolver, asked, release };
}

const addresses = (count: number, net = 1) => Array.from({ length: count }, (_, i) => `10.${net}.0.${i}`);

/** Turns the clock until `work` is done, and answers how many ms that took. */
async function timeOf(work: Promise<unknown>, environment: TestEnvironment): Promise<number> {
  let done = false;
  const begun = environment.now();
  work.then(() => {
    done = true;
  });
  await environment.advance(0);
  while (!done) await environment.advance(100);
  return environment.now() - begun;
}

describe('reverse DNS that does not answer', () => {
  it('holds an address for a second, and shares one look-up between requests', async () => {
    const environment = testEnvironment();
    const { resolver, asked } = silent();
    const reverse = createReverseDns({ environment, resolver });
    const both = Promise.all([reverse.begin()(['10.1.0.1']), reverse.begin()(['10.1.0.1'])]);
    expect(await timeOf(both, environment)).toBe(1_000);
    expect(await both).toEqual([new Map(), new Map()]);
    expect(asked).toEqual(['10.1.0.1']);
  });

  it('holds a request for 3 s in all, with 32 look-ups at a time, and asks nothing for those who have gone', async () => {
    const environment = testEnvironment();
    const { resolver, asked } = silent();
    const of = createReverseDns({ environment, resolver }).begin();
    let most = 0;
    let before = 0;
    const whole = (async () => {
      for (let page = 0; page < 20; page++) {
        await of(addresses(50, page));
        most = Math.max(most, asked.length - before);
        before = asked.length;
      }
    })();
    expect(await timeOf(whole, environment)).toBe(BUDGET);
    expect(most).toBe(50);
    const total = asked.length;
    expect(total).toBeLessThanOrEqual(32 * 4);
    await environment.advance(60_000);
    expect(asked).toHaveLength(total);
  });

  it('uses an answer that comes too late the next time', async () => {
    const environment = testEnvironment();
    const { resolver, release } = silent();
    const reverse = createReverseDns({ environment, resolver });
    const first = reverse.begin()(['10.1.0.1']);
    await timeOf(first, environment);
    for (const one of release) one();
    await environment.advance(0);
    expect(await reverse.begin()(['10.1.0.1'])).toEqual(new Map([['10.1.0.1', 'h10-1-0-1.example']]));
  });

  it('serves a request that still waits when another one, which asked first, has given up', async () => {
    const environment = testEnvironment();
    const { resolver, asked, release } = silent();
    const reverse = createReverseDns({ environment, resolver });
    const first = reverse.begin();
    await environment.advance(500);
    // Takes all places for three rounds of a second.
    const hog = reverse.begin()(addresses(32 * 3, 9));
    const early = first(['10.1.0.1']);
    await environment.advance(0);
    await environment.advance(2_400);
    const late = reverse.begin()(['10.1.0.1']);
    await environment.advance(200);
    expect(await early).toEqual(new Map());
    await environment.advance(500);
    await hog;
    for (const one of release) one();
    await environment.advance(0);
    expect(asked).toContain('10.1.0.1');
    expect(await late).toEqual(new Map([['10.1.0.1', 'h10-1-0-1.example']]));
  });

  it('queues at most 1,000 look-ups; more are shown as addresses at once', async () => {
    const environment = testEnvironment();
    const { resolver } = silent();
    const reverse = createReverseDns({ environment, resolver });
    const many = Array.from({ length: 2_000 }, (_, i) => `10.7.${i >> 8}.${i & 255}`);
    const first = reverse.begin()(many);
    const second = reverse.begin()(['10.8.0.1']);
    expect(await timeOf(second, environment)).toBe(0);
    await timeOf(first, environment);
  });
});
