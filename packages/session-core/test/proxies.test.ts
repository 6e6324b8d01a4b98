import { describe, expect, it } from 'vitest';
import { Forwarding, trustedProxies } from '../src/proxies.js';

describe('trustedProxies', () => {
  it.each([
    // ranges, address, trusted
    [['10.0.0.0/8'], '10.255.0.1', true],
    [['10.0.0.0/8'], '11.0.0.1', false],
    [['10.0.0.0/8'], '::ffff:10.1.2.3', true],
    [['::ffff:10.0.0.0/104'], '10.9.9.9', true],
    [['::ffff:10.0.0.0/104'], '11.9.9.9', false],
    [['203.0.113.7'], '203.0.113.7', true],
    [['203.0.113.7'], '203.0.113.8', false],
    [['::1'], '::1', true],
    [['fe80::/10'], 'fe80::1%eth0', true],
    [['2001:db8::/32'], '2001:DB8:1::1', true],
    [['2001:db8::/32'], '2001:db9::1', false],
    [['0.0.0.0/0'], '198.51.100.1', true],
    [['0.0.0.0/0'], '2001:db8::1', false],
    [['10.0.0.0/8'], 'unknown', false],
    [['10.0.0.0/8'], '', false],
  ])('%j: %s is trusted: %s', (ranges, address, trusted) => {
    expect(trustedProxies(ranges)?.(address)).toBe(trusted);
  });

  it('trusts nobody without a list, and costs nothing then', () => {
    expect([trustedProxies(undefined), trustedProxies([])]).toEqual([undefined, undefined]);
  });

  it.each([
    [true],
    [1],
    ['10.0.0.1'],
    [['10.0.0.0/33']],
    [['10.0.0.0/']],
    [['::/129']],
    [['::ffff:10.0.0.0/8']],
    [['loopback']],
    [['10.0.0.0/255.0.0.0']],
    [['']],
    [[null]],
  ])('%j is refused', (ranges) => {
    expect(() => trustedProxies(ranges)).toThrowError(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining('trustProxy') }),
    );
  });
});

describe('Forwarding', () => {
  const of = (peer: string, headers: Readonly<Record<string, string>>) =>
    new Forwarding({ peer, header: (name) => headers[name] }, trustedProxies(['10.0.0.0/8']));

  it('takes the right-most address that is not trusted, and what its proxy said', () => {
    const seen = of('10.0.0.1', {
      'x-forwarded-for': '6.6.6.6, 192.0.2.1,, 10.0.0.2',
      'x-forwarded-proto': 'http, https, http',
    });
    expect(seen.client).toEqual({ ip: '192.0.2.1', direct: false });
    expect(seen.value('x-forwarded-proto')).toBe('https');
    expect(seen.value('x-forwarded-host')).toBeUndefined();
  });

  it('believes nobody where the peer is not known', () => {
    const seen = of('', { 'x-forwarded-for': '192.0.2.1', 'x-forwarded-host': 'evil.example' });
    expect(seen.client).toEqual({ ip: '', direct: true });
    expect([seen.value('x-forwarded-host'), seen.untrusted]).toEqual([undefined, false]);
  });
});
