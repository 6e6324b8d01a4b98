import { describe, expect, it } from 'vitest';
import { toldOnce } from '../src/log.js';
import { LogRing } from '../src/log-ring.js';
import { masked } from '../src/masked.js';

const TOKEN = 's01k6y3v9qxm2r8t4w7z5b1c0d3.Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6';

describe('a text for operators', () => {
  it.each([
    [`the token ${TOKEN} was refused`, 'the token s01k6y3v9qxm2r8t4w7z5b1c0d3.**** was refused'],
    [`GET /?_token=${TOKEN.replace('.', '%2E')}&a=1`, 'GET /?_token=****&a=1'],
    ['redis://default:hunter2@10.0.0.5:6379/0 refused', 'redis://****@10.0.0.5:6379/0 refused'],
    ['postgres://u:p@ss@db/x and http://plain/', 'postgres://****@db/x and http://plain/'],
    ['Authorization: Basic YWRtaW46aHVudGVyMg==', 'Authorization: **** ****'],
    ['sent Bearer eyJhbGciOiJIUzI1NiJ9.e30.x', 'sent Bearer ****'],
    ['{"password":"hunter2","user":"bob"}', '{"password":****,"user":"bob"}'],
    ["sign_key='hun ter2', next", 'sign_key=****, next'],
    ['Set-Cookie: sid=abc; Path=/', 'Set-Cookie: ****; Path=/'],
    ['my-DB_Password = hunter2, x_token_secret:"hun ter2"', 'my-DB_Password = ****, x_token_secret:****'],
    ['to mongodb+srv://u:hunter2@db and 1://u@h', 'to mongodb+srv://****@db and 1://****@h'],
  ])('without a credential: %s', (text, shown) => {
    expect(masked(text)).toBe(shown);
  });

  it.each([
    'bob added the basic user "carol"',
    'a session of bearer transport ended',
    'the admin user "admin" was made; its password is in /srv/shop/users.json.password, which you may delete',
    'listening: public http://127.0.0.1:8080 -> shop',
    'admin ended the session s01k6y3v9qxm2r8t4w7z5b1c0d3',
    'server "server1": ECONNREFUSED: connect ECONNREFUSED 127.0.0.1:9 (request 6f2b)',
  ])('without one stays as it is: %s', (text) => {
    expect(masked(text)).toBe(text);
  });

  it.each([
    'a',
    'a.',
    'a-',
    'a://',
    'password=',
    'password ',
    's01k6y3v9qxm2r8t4w7z5b1c0d3.',
    'Basic ',
    ' ',
    '"',
    'a:b@',
  ])('is looked through in a time that grows as its length does: %j', (text) => {
    const fastest = (length: number) => {
      const long = text.repeat(length / text.length);
      const times = Array.from({ length: 5 }, () => {
        const begun = performance.now();
        masked(long);
        return performance.now() - begun;
      });
      return Math.min(...times);
    };
    fastest(1_000);
    // A square would be a hundred times.
    expect(fastest(20_000)).toBeLessThan(50 * Math.max(fastest(2_000), 0.02));
  });
});

describe('an error in the process log', () => {
  const cause = new Error('connect ECONNREFUSED 127.0.0.1:5432');

  it.each([
    ['the store is not reachable', 'the store is not reachable: connect ECONNREFUSED 127.0.0.1:5432'],
    [`not reachable: ${cause.message}`, 'not reachable: connect ECONNREFUSED 127.0.0.1:5432'],
  ])('says once why: %s', (message, shown) => {
    expect(toldOnce(new Error(message, { cause }))).toMatchObject({ message: shown });
  });
});

describe('the newest lines', () => {
  it('are numbered without gaps, at most a thousand, and read in pages from the end', () => {
    const ring = new LogRing();
    for (let i = 1; i <= 1_500; i++) ring.add('info', `line ${i}`, {});
    const all = ring.read(5_000);
    expect([all.length, all[0]?.id, all.at(-1)?.message]).toEqual([1_000, 501, 'line 1500']);
    expect(ring.read(3).map(({ id }) => id)).toEqual([1_498, 1_499, 1_500]);
    expect(ring.read(3, 600).map(({ id }) => id)).toEqual([597, 598, 599]);
    expect(ring.read(3, 501)).toEqual([]);
  });

  it('say of what service and session, and why, with credentials masked and a bounded length', () => {
    const ring = new LogRing();
    const err = new Error(`connect to redis://x:hunter2@h failed for ${TOKEN}`);
    ring.add('error', 'it failed', { service: 'shop', session: 's01', err, other: 'hunter2' });
    ring.add('info', `${'x'.repeat(1_990)} ${TOKEN} ${'y'.repeat(100_000)}`, {});
    const [line, long] = ring.read(2);
    expect(line).toMatchObject({
      level: 'error',
      message: 'it failed (connect to redis://****@h failed for s01k6y3v9qxm2r8t4w7z5b1c0d3.****)',
      service: 'shop',
      session: 's01',
    });
    expect(JSON.stringify(line)).not.toContain('hunter2');
    expect(long?.message).toHaveLength(2_000);
    expect(long?.message).not.toContain('Zm9v');
  });
});
