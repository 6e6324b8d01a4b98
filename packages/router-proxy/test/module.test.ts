import {
  CONTRACT_VERSION,
  processEnvironment,
  type RouterContext,
  SessionError,
} from '@sessionkit/session-core';
import { describe, expect, test } from 'vitest';
import { type ProxyOptions, proxyRouter } from '../src/index.js';
import proxy from '../src/module.js';
import { carriers } from './harness.js';

const context: RouterContext = {
  environment: processEnvironment,
  service: 'shop',
  servers: [{ name: 'server1', url: 'http://127.0.0.1:9001', steer: false }],
  carriers,
};
const read = (section: object) => proxy.config['~standard'].validate({ type: 'proxy', ...section });

describe('the module', () => {
  test('reads a section in seconds, with its defaults', async () => {
    expect([proxy.contract, proxy.kind, proxy.type]).toEqual([CONTRACT_VERSION, 'router', 'proxy']);
    expect(await read({ servers: ['server1'] })).toEqual({
      value: { type: 'proxy', servers: ['server1'], connect_timeout: 5, response_timeout: 30 },
    });
    const router = await proxy.create(
      { type: 'proxy', servers: ['server1'], connect_timeout: 0.5, response_timeout: 60, connections: 8 },
      context,
    );
    expect(router.type).toBe('proxy');
    await router.close();
  });

  test('refuses what it does not know and what can not be', async () => {
    const bad = [
      {},
      { servers: [] },
      { servers: 'server1' },
      { servers: ['a'], response_timeout: 0 },
      { servers: ['a'], connect_timeout: '5' },
      { servers: ['a'], connections: 0 },
      { servers: ['a'], sign_key: 'short' },
      { servers: ['a'], timeout: 3 },
    ];
    for (const section of bad) expect(await read(section), JSON.stringify(section)).toHaveProperty('issues');
  });

  test('options in code are checked too, all at once', () => {
    const make = (options: Partial<ProxyOptions>) => () => proxyRouter({ ...context, ...options });
    const server = (url: string) => ({ servers: [{ name: 'a', url, steer: false }] });
    expect(
      make({ connectTimeout: 0, responseTimeout: 1.5, connections: -1, signKey: 'x', servers: [] }),
    ).toThrow(/connectTimeout .*responseTimeout .*connections .*signKey .*servers /);
    for (const url of ['nowhere', 'ftp://a', 'http://a/path', 'http://a/?q', 'http://user:pw@a']) {
      expect(make(server(url)), url).toThrow(SessionError);
      expect(make(server(url)), url).not.toThrow(/pw@/);
    }
    expect(make(server('https://[::1]:8443/'))).not.toThrow();
  });
});
