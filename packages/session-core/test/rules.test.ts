import { expect, test } from 'vitest';
import { Deadlines } from '../src/deadlines.js';
import { SessionError } from '../src/errors.js';
import { clientKey, isPrivateAddress } from '../src/limits.js';
import { CLIENT_CODES, FAULT_CODES } from '../src/lists.js';
import { PathRules, readings } from '../src/paths.js';
import { causeOfDeath, deadFrom, isAlive } from '../src/record.js';

const record = { seenAt: 1000, idle: 100, endsAt: 2000, killAt: undefined, ended: undefined };

test('a record lives until the first of its idle, absolute and operator end', () => {
  expect(deadFrom(record)).toBe(1100);
  expect(deadFrom({ ...record, seenAt: 1950 })).toBe(2000);
  expect(deadFrom({ ...record, killAt: 1050 })).toBe(1050);
  expect(isAlive(record, 1099)).toBe(true);
  expect(isAlive(record, 1100)).toBe(false);
  expect(isAlive({ ...record, ended: { at: 1, cause: 'logout', by: undefined } }, 1000)).toBe(false);
  expect(causeOfDeath(record, 1099)).toBeUndefined();
  expect(causeOfDeath(record, 1100)).toBe('idle');
  expect(causeOfDeath({ ...record, idle: 5000 }, 2000)).toBe('duration');
  expect(causeOfDeath({ ...record, killAt: 1050 }, 1060)).toBe('killed');
  expect(causeOfDeath({ ...record, ended: { at: 1, cause: 'limit', by: 'x' } }, 0)).toBe('limit');
});

test('the longest prefix of whole segments rules a path', () => {
  const rules = new PathRules(
    [
      { prefix: '/app', session: 'required', loginUrl: '/login' },
      { prefix: '/app/public/', session: 'none' },
    ],
    { mode: 'optional', loginUrl: undefined },
  );
  const mode = (path: string) => rules.demand(path).mode;
  expect(rules.demand('/app')).toEqual({ mode: 'required', loginUrl: '/login' });
  expect(mode('/app/x')).toBe('required');
  expect(mode('/apple')).toBe('optional');
  expect(mode('/app/public')).toBe('none');
  expect(mode('/')).toBe('optional');
});

test('a path that can be read in several ways is held to the strictest rule', () => {
  const rules = new PathRules(
    [
      { prefix: '/admin', session: 'required' },
      { prefix: '/public', session: 'none' },
    ],
    { mode: 'required', loginUrl: undefined },
  );
  expect(rules.demand('/public/a').mode).toBe('none');
  expect(rules.demand('/public/%7euser').mode).toBe('none');
  for (const path of [
    '/admin/../public',
    '/admin/..;/public',
    '/admin/..%2fpublic',
    '/admin/%2e%2e/public',
    '/admin\\..\\public',
    '/public/../admin',
    '/%61dmin/%ff',
    '/%61dmin/%',
  ]) {
    expect(rules.demand(path).mode, path).toBe('required');
  }
});

test('the readings of a path are those that upstreams have', () => {
  expect(readings('/a/b')).toEqual(['/a/b']);
  expect(readings('/A//b/./c/../d/')).toContain('/a/b/d');
  expect(readings('/%61%2Fb')).toContain('/a/b');
  expect(readings('/a;v=1/b')).toContain('/a/b');
  expect(readings('/../../a')).toContain('/a');
});

test('a client is an IPv4 address or an IPv6 /64', () => {
  expect(clientKey('192.0.2.1')).toBe('192.0.2.1');
  expect(clientKey('::ffff:192.0.2.1')).toBe('192.0.2.1');
  expect(clientKey('::ffff:c000:201')).toBe('192.0.2.1');
  expect(clientKey('2001:db8::1')).toBe(clientKey('2001:0DB8:0:0:1:2:3:4'));
  expect(clientKey('2001:db8:0:1::')).not.toBe(clientKey('2001:db8::1'));
  expect(clientKey('fe80::1%eth0')).toBe(clientKey('fe80::2'));
  for (const ip of [
    '127.0.0.1',
    '::1',
    '10.1.1.1',
    '172.16.0.1',
    '192.168.1.1',
    'fd00::1',
    '::ffff:10.0.0.1',
  ]) {
    expect(isPrivateAddress(ip)).toBe(true);
  }
  for (const ip of ['8.8.8.8', '172.32.0.1', '2001:db8::1']) expect(isPrivateAddress(ip)).toBe(false);
});

test('deadlines abort in order, leave no timer, and pass answers and faults through', async () => {
  const deadlines = new Deadlines(150);
  expect(await deadlines.run('x', () => Promise.resolve(7))).toBe(7);
  const fault = new SessionError('BACKEND_FULL', 'full');
  await expect(deadlines.run('x', () => Promise.reject(fault))).rejects.toBe(fault);
  await expect(deadlines.run('x', () => Promise.reject(new Error('driver')))).rejects.toMatchObject({
    code: 'BACKEND_FAILED',
    message: 'x failed',
    cause: expect.objectContaining({ message: 'driver' }),
  });
  const signals: AbortSignal[] = [];
  const slow = [1, 2].map(() =>
    deadlines.run('load', (signal) => {
      signals.push(signal);
      return new Promise(() => undefined);
    }),
  );
  for (const call of slow) {
    await expect(call).rejects.toMatchObject({
      code: 'BACKEND_DOWN',
      retryable: true,
      clientCode: 'store_unavailable',
    });
  }
  expect(signals.every(({ aborted }) => aborted)).toBe(true);
});

test('every fault and client code has its status', () => {
  for (const code of Object.values(FAULT_CODES))
    expect(code === undefined || code in CLIENT_CODES).toBe(true);
  for (const status of Object.values(CLIENT_CODES)) expect(status).toBeGreaterThanOrEqual(400);
});
