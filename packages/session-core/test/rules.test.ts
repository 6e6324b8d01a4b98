import { expect, test } from 'vitest';
import { Deadlines } from '../src/deadlines.js';
import { SessionError } from '../src/errors.js';
import { clientKey, isPrivateAddress } from '../src/limits.js';
import { CLIENT_CODES, FAULT_CODES } from '../src/lists.js';
import { normalisePath, PathRules } from '../src/paths.js';
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
  const rules = new PathRules([
    { prefix: '/', session: 'optional' },
    { prefix: '/app', session: 'required' },
    { prefix: '/app/public/', session: 'none' },
  ]);
  const mode = (path: string) => rules.find(path)?.session;
  expect(mode('/app')).toBe('required');
  expect(mode('/app/x')).toBe('required');
  expect(mode('/apple')).toBe('optional');
  expect(mode('/app/public')).toBe('none');
  expect(mode('/app/public/../x')).toBe('required');
  expect(new PathRules([]).find('/app')).toBeUndefined();
});

test('a path is read as loosely as an upstream might', () => {
  expect(normalisePath('/A//b/./c/../d/')).toBe('/a/b/d');
  expect(normalisePath('/%61%2Fb')).toBe('/a/b');
  expect(normalisePath('/a%zz')).toBe('/a%zz');
  expect(normalisePath('/../../a')).toBe('/a');
  expect(normalisePath('/')).toBe('/');
});

test('a client is an IPv4 address or an IPv6 /64', () => {
  expect(clientKey('192.0.2.1')).toBe('192.0.2.1');
  expect(clientKey('::ffff:192.0.2.1')).toBe('192.0.2.1');
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
