import { SessionError } from '@sessionkit/session-core';
import { bearer } from '@sessionkit/transport-bearer';
import { type CookieTransportOptions, cookie } from '@sessionkit/transport-cookie';
import { expect } from 'vitest';
import { codeOf, cookieOf, secretOf, setCookie } from '../client.js';
import { configured, refused } from '../gateway.js';
import { check, row } from '../table.js';
import type { Setup, Start } from '../world.js';

const LOCAL = { trustProxy: ['127.0.0.1/32'] };
const https = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.7' };

const carried = (options: CookieTransportOptions): Setup => ({ options: { transports: [cookie(options)] } });

/** The cookie of a new session of a client that came by https. */
async function overHttps(start: Start, setup: Setup = {}): Promise<string> {
  const world = await start({ http: LOCAL, ...setup });
  return setCookie(await world.ask('/login', { headers: https }));
}

/** The attributes of a cookie, by name in lower case. */
function attributes(line: string): ReadonlyMap<string, string> {
  const pairs = line.split(/;\s*/).slice(1);
  return new Map(pairs.map((pair) => [pair.split('=', 1)[0]?.toLowerCase() ?? '', pair.split('=')[1] ?? '']));
}

/** What is said of options that a browser would refuse; undefined when there is nothing wrong. */
function complaint(options: CookieTransportOptions): string | undefined {
  try {
    cookie(options);
    return undefined;
  } catch (error) {
    if (error instanceof SessionError && error.code === 'CONFIG_INVALID') return error.message;
    throw error;
  }
}

export function cookies(): void {
  row('ASVS 3.3.1, 3.3.3', 'the cookie is Secure over https and of one host; a prefix is one option', () => {
    check(
      'Secure where the client came by https, no Domain, the whole site',
      async (start) => {
        const given = attributes(await overHttps(start));
        expect(given.has('secure')).toBe(true);
        expect(given.has('domain')).toBe(false);
        expect(given.get('path')).toBe('/');
      },
      {
        as: 'the cookie is told to be neither',
        options: { transports: [cookie({ options: { secure: false, domain: 'example.org' } })] },
      },
    );
    check('a prefix with a domain is an error at the start of the gateway, with its place', async () => {
      const options = 'cookie_options: { prefix: __Host-, domain: example.org }';
      const { code, says } = await refused(await configured(`transport: { type: cookie, ${options} }`));
      expect(code).toBeGreaterThan(0);
      expect(says).toMatch(/session\.transport.*cookie_options\.domain.*leave domain out/s);
    });
  });

  row('ASVS 3.3.2', 'SameSite is set by purpose', () => {
    check(
      'Lax when nobody says otherwise',
      async (start) => expect(attributes(await overHttps(start)).get('samesite')).toBe('Lax'),
      { as: 'it is left out', options: { transports: [cookie({ options: { sameSite: false } })] } },
    );
    check('None comes with Secure only', async (start) => {
      const given = attributes(await overHttps(start, carried({ options: { sameSite: 'none' } })));
      expect([given.get('samesite'), given.has('secure')]).toEqual(['None', true]);
      expect(complaint({ options: { sameSite: 'none', secure: false } })).toContain('SameSite=None');
    });
  });

  row('ASVS 3.3.4', 'no script reads the cookie, and a token travels in it only', () => {
    check(
      'HttpOnly',
      async (start) => expect(attributes(await overHttps(start)).has('httponly')).toBe(true),
      { as: 'scripts may read it', options: { transports: [cookie({ options: { httpOnly: false } })] } },
    );
    check(
      'no body, no other field and no line of the log has it',
      async (start) => {
        const world = await start();
        const secrets: string[] = [];
        let jar = '';
        for (const path of [
          '/set?a=1',
          '/login',
          '/',
          '/needed',
          '/mine',
          '/rotate',
          '/large',
          '/logout',
          '/needed',
        ]) {
          const answer = await world.ask(path, { cookie: jar });
          if (secretOf(cookieOf(answer)) !== '') {
            jar = cookieOf(answer);
            secrets.push(secretOf(jar));
          }
          const { 'set-cookie': _, ...fields } = answer.headers;
          const shown = JSON.stringify([fields, answer.body, world.log]);
          expect(secrets.filter((secret) => shown.includes(secret))).toEqual([]);
        }
        expect(new Set(secrets).size).toBeGreaterThanOrEqual(2);
      },
      {
        as: 'the request is sent back',
        front: (request, response) => {
          if (request.headers.cookie) response.setHeader('authorization', request.headers.cookie);
        },
      },
    );
  });

  row('ASVS 3.3.5', 'name and value of the cookie have at most 4,096 bytes', () => {
    check(
      'much data is refused and makes no cookie longer',
      async (start) => {
        const world = await start();
        const answer = await world.ask('/large');
        expect([answer.status, codeOf(answer)]).toEqual([413, 'data_too_large']);
        expect(setCookie(answer)).toBe('');
        const cookie = cookieOf(await world.ask(`/set?a=${'x'.repeat(8_000)}`));
        expect(cookie.length).toBeLessThan(100);
      },
      { as: 'any amount is taken', options: { maxData: 1_000_000 } },
    );
    check('a name that leaves no room for the token is an error at the start', async () => {
      expect(complaint({ name: 'n'.repeat(4_026) })).toContain('4096');
      expect(complaint({ name: 'n'.repeat(4_025) })).toBeUndefined();
    });
  });

  row('ASVS 3.5.1 to 3.5.3', 'another site changes nothing with the cookie', () => {
    const foreign = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'https://evil.example' },
      { origin: 'null' },
    ];
    check(
      'its posts are refused, with the cookie and without; its links work',
      async (start) => {
        const world = await start({ options: { allowOrigins: [] } });
        const cookie = cookieOf(await world.ask('/login'));
        for (const headers of foreign) {
          for (const jar of [cookie, undefined]) {
            const answer = await world.ask('/logout', { method: 'POST', cookie: jar, headers });
            expect([answer.status, codeOf(answer)]).toEqual([403, 'cross_site']);
          }
          expect((await world.ask('/needed', { cookie, headers })).status).toBe(200);
        }
        for (const headers of [{ 'sec-fetch-site': 'same-origin' }, { origin: world.url }])
          expect((await world.ask('/set?a=1', { method: 'POST', cookie, headers })).status).toBe(200);
      },
      { as: 'the other site is allowed', options: { allowOrigins: ['https://evil.example'] } },
    );
    check('a bearer token, which no browser sends on its own, passes', async (start) => {
      const world = await start({ options: { transports: [bearer(), cookie()] } });
      const authorization = String((await world.ask('/login')).headers.authorization);
      for (const headers of foreign) {
        const answer = await world.ask('/set?a=1', {
          method: 'POST',
          headers: { ...headers, authorization },
        });
        expect(answer.status).toBe(200);
      }
    });
  });

  row('OWASP session management, name', 'the name of the cookie tells of no framework', () => {
    check(
      'it is the one that was configured, or a general one',
      async (start) => {
        expect(await overHttps(start)).toMatch(/^sxapi-sess=/);
        expect(await overHttps(start, carried({ name: 'id' }))).toMatch(/^id=/);
      },
      { as: 'it is the one of a framework', options: { transports: [cookie({ name: 'connect.sid' })] } },
    );
  });

  row('RFC 6265bis section 4.1.3, layered cookies', 'what a prefix promises is kept', () => {
    check(
      '__Host- is sent as browsers ask for it, and read under this name only',
      async (start) => {
        const world = await start({
          http: LOCAL,
          ...carried({ name: 'id', options: { prefix: '__Host-' } }),
        });
        const answer = await world.ask('/login', { headers: https });
        const given = attributes(setCookie(answer));
        expect(setCookie(answer)).toMatch(/^__Host-id=s/);
        expect([given.get('path'), given.has('secure'), given.has('domain')]).toEqual(['/', true, false]);
        const jar = cookieOf(answer);
        const asked = (cookie: string) => world.ask('/needed', { cookie, headers: https });
        expect((await asked(jar)).status).toBe(200);
        for (const name of ['id', '__host-id', '__Secure-id'])
          expect((await asked(jar.replace('__Host-id', name))).status).toBe(401);
      },
      { as: 'the cookie has no prefix', options: { transports: [cookie({ name: 'id' })] } },
    );
    check('what browsers would refuse is an error at the start, in any case of the letters', async () => {
      for (const name of ['__Host-', '__host-', '__HOST-HTTP-', '__Secure-', '__http-']) {
        expect(complaint({ name: `${name}id` })).toBeUndefined();
        expect(complaint({ name: `${name}id`, options: { secure: false } })).toContain('Secure');
      }
      for (const name of ['__Host-id', '__hOST-id', '__Host-Http-id']) {
        expect(complaint({ name, options: { domain: 'example.org' } })).toContain('leave domain out');
        expect(complaint({ name, options: { path: '/app' } })).toContain('leave path out');
      }
      expect(
        complaint({ name: '__Secure-id', options: { domain: 'example.org', path: '/app' } }),
      ).toBeUndefined();
      for (const prefix of ['__Http-', '__Host-Http-'] as const)
        expect(complaint({ options: { prefix, httpOnly: false } })).toContain('HttpOnly');
      expect(complaint({ name: '__Host-id', options: { prefix: '__Host-' } })).toContain('say it once');
    });
  });

  row('RFC 6265bis section 5.5', 'no cookie lives for more than 400 days', () => {
    const DAY = 24 * 60 * 60;
    const age = (line: string) => Number(attributes(line).get('max-age'));
    check(
      'a longer session has a cookie of 400 days; a shorter one what is left of it',
      async (start) => {
        const long = { options: { duration: 500 * DAY * 1_000 } };
        expect(age(await overHttps(start, long))).toBe(400 * DAY);
        const left = age(await overHttps(start, { options: { duration: 600_000 } }));
        expect(left).toBeGreaterThan(590);
        expect(left).toBeLessThanOrEqual(600);
      },
      {
        as: 'each cookie lives for a day',
        options: { transports: [cookie({ options: { maxAge: 86_400_000 } })] },
      },
    );
  });

  row('CHIPS', 'a partitioned cookie is Secure and SameSite=None', () => {
    check(
      'it is, and what contradicts it is an error at the start',
      async (start) => {
        const options = { partitioned: true, sameSite: 'none' } as const;
        const given = attributes(await overHttps(start, carried({ options })));
        expect(['partitioned', 'secure', 'httponly'].every((name) => given.has(name))).toBe(true);
        expect(given.get('samesite')).toBe('None');
        expect(complaint({ options: { partitioned: true } })).toContain('sameSite: none');
        expect(complaint({ options: { ...options, secure: false } })).toContain('Partitioned without Secure');
      },
      {
        as: 'it is a cookie like any other',
        options: { transports: [cookie({ options: { sameSite: 'none' } })] },
      },
    );
  });
}
