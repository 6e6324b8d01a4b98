import { bearer } from '@sessionkit/transport-bearer';
import { cookie } from '@sessionkit/transport-cookie';
import { token } from '@sessionkit/transport-token';
import { expect } from 'vitest';
import { ask, codeOf, cookieOf, secretOf, setCookie, tokenOf } from '../client.js';
import { configured, gateway, OPERATOR } from '../gateway.js';
import { check, row } from '../table.js';
import type { World } from '../world.js';

const required = { session: 'required', paths: [{ prefix: '/login', session: 'optional' }] } as const;
const WRONG = `s0${'1'.repeat(25)}.${'A'.repeat(43)}`;

const challenge = async (world: World, path: string, authorization?: string) => {
  const answer = await world.ask(path, authorization === undefined ? {} : { headers: { authorization } });
  return [answer.status, answer.headers['www-authenticate']];
};

export function transports(): void {
  row('OWASP session management, mechanisms', 'tokens are taken in the configured ways only', () => {
    check(
      'a cookie in the query or in Authorization is none',
      async (start) => {
        const world = await start();
        const value = tokenOf(cookieOf(await world.ask('/login')));
        expect((await world.ask(`/needed?_token=${value}&token=${value}`)).status).toBe(401);
        expect((await world.ask('/needed', { headers: { authorization: `Bearer ${value}` } })).status).toBe(
          401,
        );
        expect((await world.ask('/needed', { cookie: `sxapi-sess=${value}` })).status).toBe(200);
      },
      { as: 'the query is read, too', options: { transports: [cookie(), token()] } },
    );
  });

  row('OWASP session management, caching', 'no cache keeps an answer that has a token', () => {
    check(
      'what sets, changes or clears one says no-store and Vary; what does not is left alone',
      async (start) => {
        const world = await start();
        const login = await world.ask('/login');
        const cookie = cookieOf(login);
        world.turn(61_000);
        const rotated = await world.ask('/rotate', { cookie });
        const logout = await world.ask('/logout', { cookie: cookieOf(rotated) });
        for (const answer of [login, rotated, logout]) {
          expect(setCookie(answer)).not.toBe('');
          expect(answer.headers['cache-control']).toBe('no-store');
          expect(answer.headers.vary).toMatch(/\bCookie\b/);
        }
        expect((await world.ask('/')).headers['cache-control']).toBeUndefined();
      },
      {
        as: 'only the cookie is passed on',
        visit: (visit) => {
          const finish = visit.finish.bind(visit);
          visit.finish = async (head) => (await finish(head)).filter(([name]) => name === 'set-cookie');
        },
      },
    );
    check(
      'a logout, and nothing else, tells the browser to drop what it keeps of the site, where that is asked for',
      async (start) => {
        const world = await start({ options: { clearSiteData: ['cache', 'storage'] } });
        const said = async (path: string, cookie?: string) => {
          const answer = await world.ask(path, { cookie });
          return [cookieOf(answer), answer.headers['clear-site-data']] as const;
        };
        const [one] = await said('/login');
        const [two, none] = await said('/login');
        expect([none, (await said('/', one))[1]]).toEqual([undefined, undefined]);
        expect((await said('/logout', one))[1]).toBe('"cache", "storage"');
        expect((await said('/', one))[1]).toBeUndefined();
        expect((await said('/all', two))[1]).toBe('"cache", "storage"');
      },
      { as: 'nobody asks for it', options: { clearSiteData: undefined } },
    );
  });

  row('RFC 6750 section 2', 'a request has one token', () => {
    check(
      'two different ones are a bad request',
      async (start) => {
        const world = await start({ options: { transports: [bearer(), token()] } });
        const [one, two] = [await world.ask('/login'), await world.ask('/login')].map(({ headers }) =>
          String(headers.authorization),
        ) as [string, string];
        const path = `/needed?_token=${two.slice('Bearer '.length)}`;
        expect(await challenge(world, path, one)).toEqual([400, 'Bearer error="invalid_request"']);
        expect(await challenge(world, path, two)).toEqual([200, undefined]);
      },
      { as: 'the first one is taken', options: { transports: [bearer()] } },
    );
  });

  row(
    'RFC 6750 section 2.3, RFC 9700 section 4.3.2',
    'a token in a URL is opt-in and seen by nobody else',
    () => {
      check(
        'what hands it out is not stored and no referrer',
        async (start) => {
          const world = await start({ options: { transports: [token()] } });
          const login = await world.ask('/login');
          expect(login.headers['session-token']).toMatch(/^s[0-9a-z]{26}\.[\w-]{43}$/);
          expect(login.headers).toMatchObject({
            'cache-control': 'no-store',
            'referrer-policy': 'no-referrer',
          });
        },
        {
          as: 'only the token is passed on',
          visit: (visit) => {
            const finish = visit.finish.bind(visit);
            visit.finish = async (head) => (await finish(head)).filter(([name]) => name === 'session-token');
          },
        },
      );
      check('in the gateway, too; logs and the service behind do not see it', async () => {
        const app = await gateway(await configured('transport: { type: token }'));
        const first = await ask(`${app.public}/first`);
        const value = String(first.headers['session-token']);
        expect(value).toMatch(/^s[0-9a-z]{26}\.[\w-]{43}$/);
        expect(first.headers).toMatchObject({
          'cache-control': 'no-store',
          'referrer-policy': 'no-referrer',
        });
        const headers = { referer: `${app.public}/?_token=${WRONG}` };
        const second = await ask(`${app.public}/second?a=1&_token=${value}`, { headers });
        expect(second.body).toContain('"/second?a=1"');
        await app.stop();
        expect(app.output()).toContain('/second?a=1&_token=REDACTED');
        for (const each of [value, WRONG]) {
          expect(second.body + app.output()).not.toContain(secretOf(`=${each}`));
        }
      });
    },
  );

  row('RFC 6750 section 3', 'a 401 says what was wrong with the token, if there was one', () => {
    check(
      'none, a wrong one, two',
      async (start) => {
        const world = await start({ options: { ...required, transports: [bearer()] } });
        const right = String((await world.ask('/login')).headers.authorization);
        expect(await challenge(world, '/')).toEqual([401, 'Bearer']);
        expect(await challenge(world, '/', `Bearer ${WRONG}`)).toEqual([401, 'Bearer error="invalid_token"']);
        const other = String((await world.ask('/login')).headers.authorization);
        expect(await challenge(world, '/', `${right}, ${other}`)).toEqual([
          400,
          'Bearer error="invalid_request"',
        ]);
        expect(await challenge(world, '/', right)).toEqual([200, undefined]);
      },
      { as: 'it is a cookie transport', options: { transports: [cookie(), bearer({ realm: 'shop' })] } },
    );
  });

  row('ASVS 16, OWASP session management, logging', 'logs name the session and never its token', () => {
    check('access log, process log and the documents of operators have the id alone', async () => {
      const app = await gateway(await configured('transport: [{ type: cookie }, { type: bearer }]'));
      const secrets: string[] = [];
      const anonymous = await ask(`${app.public}/`);
      const login = await ask(`${app.public}/login?user=ann`, { cookie: cookieOf(anonymous) });
      for (const answer of [anonymous, login]) secrets.push(secretOf(cookieOf(answer)));
      const cookie = cookieOf(login);
      await ask(`${app.public}/inside`, { cookie });
      const stolen = await ask(`${app.public}/stolen`, { headers: { authorization: `Bearer ${WRONG}` } });
      expect(codeOf(stolen)).toBe('session_invalid');
      const id = tokenOf(cookie).split('.')[0] ?? '';
      const documents = [
        await ask(`${app.admin}/v1/sessions`, { headers: OPERATOR }),
        await ask(`${app.admin}/v1/sessions/${id}`, { headers: OPERATOR }),
        await ask(`${app.admin}/sessions`, { headers: OPERATOR }),
      ].map(({ body }) => body);
      for (const document of documents) expect(document).toContain(id);
      const end = { method: 'DELETE', headers: OPERATOR };
      expect((await ask(`${app.admin}/v1/sessions/${id}`, end)).status).toBe(204);
      expect(codeOf(await ask(`${app.public}/ended`, { cookie }))).toBe('session_ended');
      // The log shows what is no credential: were a token there, it would be seen.
      await ask(`${app.public}/shown?name=${'B'.repeat(43)}`, { cookie: cookieOf(anonymous) });
      await app.stop();
      const lines = app.output();
      expect(lines).toContain('B'.repeat(43));
      for (const told of [`"session":"${id}"`, '"session_invalid"', '"session_ended"'])
        expect(lines).toContain(told);
      expect(secrets.map((secret) => secret.length)).toEqual([43, 43]);
      for (const secret of [...secrets, 'A'.repeat(43)])
        expect(lines + documents.join()).not.toContain(secret);
    });
  });
}
